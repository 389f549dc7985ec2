import assert from "node:assert/strict";
import test from "node:test";
import {
  Client,
  ClientClosedError,
  ConnectTimeoutError,
  HandshakeRefusedError,
  SentAwayError,
  SignInRefusedError,
} from "../../src/index.js";
import { settle, FakeEnvironment } from "../support/fake-environment.js";
import { sessionMap, welcomeMap } from "../support/wire-messages.js";

test("a client offers its subprotocol, sends hello, and is welcomed", async (t) => {
  const environment = new FakeEnvironment(t);
  const client = environment.client({ clientName: "desk/7" });
  const starting = client.start();
  const socket = await environment.nextSocket();
  assert.deepEqual([socket.url, socket.protocols], ["ws://relevo.test/ws", ["relevo.v1.json"]]);
  assert.equal(socket.binaryType, "arraybuffer");
  assert.equal(client.state, "connecting");
  const hello = await socket.letIn({ in_progress: [sessionMap("old")] });
  await starting;

  assert.deepEqual([hello.token, hello.client], ["jwt", "desk/7"]);
  assert.deepEqual([client.state, client.agent.id, client.welcome.tenant], ["connected", "ana", "acme"]);
  assert.deepEqual([...client.inbox.inProgress.keys()], ["old"]);
  await assert.rejects(client.start(), TypeError);
});

test("a wrong token rejects start", async (t) => {
  const environment = new FakeEnvironment(t);
  const starting = environment.client().start();
  const refused = assert.rejects(starting, SignInRefusedError);
  const socket = await environment.nextSocket();
  socket.accept();
  socket.refuse(await socket.expect("hello"), "unauthorized");
  socket.cut(4500);
  await refused;
});

test("a close code above 4500 fails the commands with its error", async (t) => {
  const environment = new FakeEnvironment(t);
  const { client, socket } = await environment.connected();
  const noting = assert.rejects(client.sessions.note("c-1", "hola"), SentAwayError);
  await socket.expect("session.note");
  socket.cut(4502, "removed");
  await noting;

  assert.ok(client.error instanceof SentAwayError);
  await environment.pass(60_000);
  assert.deepEqual(environment.sockets, []);
});

test("close sends 1000 and fails pending commands", async (t) => {
  const environment = new FakeEnvironment(t);
  const { client, socket } = await environment.connected();
  const noting = assert.rejects(client.sessions.note("c-1", "hola"), ClientClosedError);
  await socket.expect("session.note");
  await client.close();

  assert.deepEqual(socket.closedBy, { code: 1000, reason: "" });
  await noting;
  await client.close();
});

test("close on a dead network takes two seconds at most", async (t) => {
  const environment = new FakeEnvironment(t);
  const { client, socket } = await environment.connected();
  socket.dead = true;
  let gone = false;
  const closing = client.close().then(() => (gone = true));
  await environment.pass(1_999);
  assert.equal(gone, false);
  await environment.pass(1);
  await closing;
});

test("an unreachable router is retried until connectTimeout", async (t) => {
  const environment = new FakeEnvironment(t);
  const client = environment.client({ connectTimeout: 3_000 });
  const attempts = [];
  client.on("unreachable", ({ reason, attempts: count }) => attempts.push([reason, count]));
  const refused = assert.rejects(
    client.start(),
    (error) => error instanceof ConnectTimeoutError && /ECONNREFUSED/.test(error.cause.message),
  );
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const socket = await environment.nextSocket();
    socket.onerror({ message: "connect ECONNREFUSED" });
    socket.cut();
  }
  await environment.pass(3_000);
  await refused;

  assert.deepEqual(attempts.slice(0, 2), [
    ["connect ECONNREFUSED", 1],
    ["connect ECONNREFUSED", 2],
  ]);
});

test("an attempt that hangs times out, and its late events are ignored", async (t) => {
  const environment = new FakeEnvironment(t);
  const client = environment.client({ connectTimeout: null });
  const starting = client.start();
  const hanging = await environment.nextSocket();
  await environment.pass(20_000);
  const { onopen } = hanging;
  const next = await environment.nextSocket();
  onopen({});
  await next.letIn();
  await starting;

  assert.ok(hanging.closedBy);
  assert.deepEqual(hanging.inbound, []);
});

test("each attempt goes to the next of several addresses", async (t) => {
  const environment = new FakeEnvironment(t);
  const starting = environment.client({ url: ["ws://one/ws", "wss://two/ws?x=1"] }).start();
  const urls = [];
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const socket = await environment.nextSocket();
    urls.push(socket.url);
    if (attempt < 2) socket.cut();
    else await socket.letIn();
  }
  await starting;

  assert.deepEqual(urls, ["ws://one/ws", "wss://two/ws?x=1", "ws://one/ws"]);
});

test("a platform that rejects the address ends the client at once", async (t) => {
  class Forbidding {
    constructor() {
      throw new Error("an insecure connection from a secure page");
    }
  }
  const client = new FakeEnvironment(t).client({ WebSocket: Forbidding });

  await assert.rejects(
    client.start(),
    (error) => error instanceof HandshakeRefusedError && /insecure/.test(error.message),
  );
});

test("a server with another subprotocol ends the client at once", async (t) => {
  const environment = new FakeEnvironment(t);
  const refused = assert.rejects(environment.client().start(), HandshakeRefusedError);
  const socket = await environment.nextSocket();
  socket.accept("");
  await refused;
});

for (const { name, location, message, hint } of [
  {
    name: "a page of another origin",
    location: { origin: "https://chat.example" },
    hint: /does RELEVO_ALLOWED_ORIGINS of the router hold https:\/\/chat\.example\?/,
  },
  {
    name: "a page of the router",
    location: { origin: "http://relevo.test" },
    hint: /test\/ws was not opened$/,
  },
  {
    name: "a platform that says 403",
    message: "Unexpected server response: 403",
    hint: /RELEVO_ALLOWED_ORIGINS/,
  },
  { name: "a program", message: "ECONNREFUSED", hint: /^ECONNREFUSED$/ },
])
  test(`a handshake that fails says what to look at: ${name}`, async (t) => {
    if (location !== undefined) {
      Object.defineProperty(globalThis, "location", { value: location, configurable: true });
      t.after(() => delete globalThis.location);
    }
    const environment = new FakeEnvironment(t);
    const client = environment.client();
    const reasons = [];
    client.on("unreachable", ({ reason }) => reasons.push(reason));
    const starting = assert.rejects(client.start(), ClientClosedError);
    const socket = await environment.nextSocket();
    if (message !== undefined) socket.onerror({ message });
    socket.cut();
    await client.close();
    await starting;

    assert.match(reasons[0], hint);
  });

test("a refused token is asked for once more", async (t) => {
  const environment = new FakeEnvironment(t);
  const tokens = ["stale", "fresh"];
  const client = environment.client({ token: () => tokens.shift() });
  const starting = client.start();
  const socket = await environment.nextSocket();
  socket.accept();
  socket.refuse(await socket.expect("hello"), "unauthorized");
  socket.cut(4500);
  assert.equal((await (await environment.nextSocket()).letIn()).token, "fresh");
  await starting;
});

test("a second token that is refused ends the client", async (t) => {
  const environment = new FakeEnvironment(t);
  const starting = assert.rejects(environment.client({ token: () => "stale" }).start(), SignInRefusedError);
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const socket = await environment.nextSocket();
    socket.accept();
    socket.refuse(await socket.expect("hello"), "unauthorized");
    socket.cut(4500);
  }
  await starting;
});

test("an expiring token is replaced by a fresh one", async (t) => {
  const environment = new FakeEnvironment(t);
  let number = 0;
  const client = environment.client({ token: async () => `jwt-${++number}` });
  const starting = client.start();
  const socket = await environment.nextSocket();
  assert.equal((await socket.letIn()).token, "jwt-1");
  await starting;
  socket.push({ type: "token.expiring", expires_at: 99 });
  const command = await socket.expect("token.refresh");
  assert.equal(command.token, "jwt-2");
  socket.reply(command, { expires_at: 200 });
  socket.cut();

  assert.equal((await (await environment.nextSocket()).letIn()).token, "jwt-3");
});

test("a token source that fails is called again", async (t) => {
  const environment = new FakeEnvironment(t);
  const failures = [new Error("no issuer"), new TypeError("no json")];
  const token = () => {
    if (failures.length > 0) throw failures.pop();
    return "jwt";
  };
  const { socket } = await environment.connected({ token });
  failures.push(new Error("away again"));
  socket.push({ type: "token.expiring", expires_at: 99 });
  await environment.pass(200);
  await socket.expect("token.refresh");

  assert.deepEqual(failures, []);
  assert.equal(environment.logged.length, 3);
});

test("a token that arrives after its attempt is not used", async (t) => {
  const environment = new FakeEnvironment(t);
  const waiting = [];
  const client = environment.client({
    token: () => new Promise((resolve) => waiting.push(resolve)),
    connectTimeout: null,
  });
  const starting = client.start();
  await environment.pass(20_000);
  await environment.pass(500);
  assert.equal(waiting.length, 2);
  waiting[0]("old");
  await settle();
  assert.deepEqual(environment.sockets, []);
  waiting[1]("new");

  assert.equal((await (await environment.nextSocket()).letIn()).token, "new");
  await starting;
});

test("a token that arrives between two attempts is not used", async (t) => {
  const environment = new FakeEnvironment(t);
  const waiting = [];
  const token = () => new Promise((resolve) => waiting.push(resolve));
  const starting = environment.client({ token, connectTimeout: null }).start();
  await environment.pass(20_000);
  waiting[0]("old");
  await settle();
  assert.deepEqual(environment.sockets, []);
  await environment.pass(500);
  waiting[1]("new");

  assert.equal((await (await environment.nextSocket()).letIn()).token, "new");
  await starting;
});

test("a refreshed string is used for the next connection", async (t) => {
  const environment = new FakeEnvironment(t);
  const { client, socket } = await environment.connected({ token: "first" });
  const refreshing = client.refreshToken("second");
  socket.reply(await socket.expect("token.refresh"), { expires_at: 7 });
  assert.equal(await refreshing, 7);
  socket.cut();

  assert.equal((await (await environment.nextSocket()).letIn()).token, "second");
});

for (const [what, frame] of [
  ["bytes", new ArrayBuffer(1)],
  ["text", "no json"],
  ["shape", '{"type": "session.assigned"}'],
]) {
  test(`a server with invalid messages (${what}) is left and retried`, async (t) => {
    const environment = new FakeEnvironment(t);
    const { client, socket } = await environment.connected();
    const reasons = [];
    client.on("disconnected", ({ reason }) => reasons.push(reason));
    socket.pushFrame(frame);
    assert.equal(socket.closedBy.code, 4000);
    await (await environment.nextSocket()).letIn();

    assert.match(reasons[0], /^not of the protocol/);
    assert.match(environment.logged[0], /not of the protocol/);
  });
}

test("a batch of welcome and pushes is read in order", async (t) => {
  const environment = new FakeEnvironment(t);
  const client = environment.client();
  const starting = client.start();
  const socket = await environment.nextSocket();
  socket.accept();
  await socket.expect("hello");
  const removal = { type: "session.removed", session_id: "c-1", fence: 2, why: "closed", transfer: null };
  socket.push([welcomeMap({ in_progress: [sessionMap()] }), removal]);
  await starting;

  assert.equal(client.inbox.get("c-1"), undefined);
});

test("an invalid websocket address throws", () => {
  for (const url of ["http://127.0.0.1/ws", "relevo", "ws://", "ws://a/b#c", []]) {
    assert.throws(() => new Client(url, "jwt", { WebSocket: class {} }), /address/, String(url));
  }
  assert.throws(
    () => new Client("ws://a/ws", "jwt", { WebSocket: undefined, ...noWebSocket() }),
    /WebSocket/,
  );
});

/** On newer Nodes the platform has one of its own. */
function noWebSocket() {
  return globalThis.WebSocket === undefined ? {} : { WebSocket: null };
}
