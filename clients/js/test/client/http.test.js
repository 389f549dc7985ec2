import assert from "node:assert/strict";
import test from "node:test";
import {
  Backoff,
  BadMessageError,
  CommandTimeoutError,
  ConflictError,
  HttpClient,
  Target,
  UnauthorizedError,
  UnavailableError,
  UnexpectedResponseError,
} from "../../src/index.js";
import { readAnswer } from "../../src/http.js";
import { agentRow, errorMap, sessionMap, transferMap } from "../support/wire-messages.js";

/** Answers in turn, in place of a router, the last again and again; and keeps what was asked. */
function scripted(...answers) {
  const requests = [];
  const fetch = async (url, { method, headers, body, signal }) => {
    requests.push({ url, method, headers, body });
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === "silence") {
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
    }
    if (answer instanceof Error) throw answer;
    const [status, content] = answer;
    return { status, text: async () => (typeof content === "string" ? content : JSON.stringify(content)) };
  };
  const client = (token = "jwt", options = {}) =>
    new HttpClient("http://relevo.test/base/", token, {
      retry: new Backoff({ initialMs: 0, capMs: 0 }),
      fetch,
      ...options,
    });
  return { requests, client };
}

const refusal = (status, code, details) => [
  status,
  errorMap(code, { retryable: [429, 503].includes(status), ...details }),
];

test("a command is a POST with token and key", async () => {
  const { requests, client } = scripted([200, { session: sessionMap() }]);
  const session = await client().sessions.open("c-1", { id: "u-1", name: "Eva" }, Target.department("sales"));

  assert.equal(session.id, "c-1");
  const [{ url, method, headers, body }] = requests;
  assert.deepEqual([method, url], ["POST", "http://relevo.test/base/api/v1/session.open"]);
  assert.equal(headers.Authorization, "Bearer jwt");
  assert.match(headers["Idempotency-Key"], /^[0-9a-f]{32}$/);
  assert.deepEqual(JSON.parse(body), {
    session_id: "c-1",
    customer: { id: "u-1", name: "Eva" },
    target: { kind: "department", id: "sales" },
  });
});

test("a mutating command has a key of its own, a reading one has none", async () => {
  const { requests, client } = scripted(
    [200, { session: sessionMap() }],
    [200, { agent: agentRow() }],
    [200, { agent: agentRow() }],
    [200, { agent: agentRow() }],
  );
  const relevo = client();
  await relevo.sessions.get("c-1");
  await relevo.agents.put("ana", "Ana");
  await relevo.agents.put("ana", "Ana");
  await relevo.agents.put("ana", "Ana", { key: "mine" });
  const keys = requests.map(({ headers }) => headers["Idempotency-Key"]);

  assert.equal(keys[0], undefined);
  assert.equal(new Set(keys).size, 4);
  assert.equal(keys[3], "mine");
});

test("an error reply is its typed error, as the body or under error", async () => {
  const error = errorMap("conflict", { fence: 3 });
  for (const body of [error, { error }]) {
    const { requests, client } = scripted([409, body]);
    await assert.rejects(
      client().sessions.transfer("c-1", Target.agent("bo")),
      (refused) => refused instanceof ConflictError && refused.fence === 3,
    );
    assert.equal(requests.length, 1);
  }
});

test("a retryable error is retried with the same key", async () => {
  const { requests, client } = scripted(
    new TypeError("fetch failed"),
    refusal(503, "unavailable"),
    refusal(429, "rate_limited", { retry_in_ms: 1 }),
    [502, "<html>bad gateway</html>"],
    [200, { session: sessionMap(), transfer: transferMap() }],
  );
  const { transfer } = await client().sessions.transfer("c-1", Target.agent("bo"), { reason: "busy" });

  assert.equal(transfer.id, "t-1");
  assert.equal(requests.length, 5);
  assert.equal(new Set(requests.map(({ headers, body }) => headers["Idempotency-Key"] + body)).size, 1);
});

test("a request without a response times out and is retried", async () => {
  const { requests, client } = scripted("silence", [200, { session: sessionMap() }]);
  await client("jwt", { requestTimeout: 5 }).sessions.get("c-1");

  assert.equal(requests.length, 2);
});

test("a command at its deadline rejects with the last error", async () => {
  const retry = new Backoff({ initialMs: 5, capMs: 5 });
  const { client } = scripted(refusal(503, "unavailable"));
  await assert.rejects(
    client("jwt", { retry }).sessions.close("c-1", { key: "mine", timeout: 30 }),
    (error) =>
      error instanceof CommandTimeoutError && error.key === "mine" && error.cause instanceof UnavailableError,
  );
});

test("an aborted command rejects at once", async () => {
  const { client } = scripted("silence");
  const controller = new AbortController();
  const given = assert.rejects(client().sessions.get("c-1", { signal: controller.signal }), {
    name: "AbortError",
  });
  controller.abort();
  await given;
  await assert.rejects(client().sessions.get("c-1", { signal: controller.signal }), { name: "AbortError" });
});

test("an expired token is replaced once", async () => {
  const tokens = ["old", "new"];
  const { requests, client } = scripted(refusal(401, "unauthorized"), [200, { session: sessionMap() }]);
  const relevo = client(async () => tokens.shift());
  await relevo.sessions.get("c-1");
  await relevo.sessions.get("c-1");

  assert.deepEqual(
    requests.map(({ headers }) => headers.Authorization),
    ["Bearer old", "Bearer new", "Bearer new"],
  );
});

test("a second rejected token is an error", async () => {
  for (const [token, count] of [
    ["jwt", 1],
    [() => "jwt", 2],
  ]) {
    const { requests, client } = scripted(refusal(401, "unauthorized"));
    await assert.rejects(client(token).sessions.get("c-1"), UnauthorizedError);
    assert.equal(requests.length, count);
  }
});

test("a value without a JSON form is rejected without a request", async () => {
  const { requests, client } = scripted([200, {}]);
  await assert.rejects(client().command("session.note", { text: NaN }), BadMessageError);

  assert.deepEqual(requests, []);
});

test("a response that is not the router's is unexpected", () => {
  for (const [status, body, retryable] of [
    [200, "[]", false],
    [200, "<html>", false],
    [302, "", false],
    [400, "", false],
    [400, "[".repeat(100_000), false],
    [401, "", false],
    [403, "<html>", false],
    [404, "{}", false],
    [413, "", false],
    [429, "", true],
    [500, '{"error": "text"}', true],
    [502, "<html>", true],
    [504, "", true],
  ]) {
    const answer = readAnswer("http://relevo.test/api/v1/session.get", status, body);

    assert.ok(answer instanceof UnexpectedResponseError, `${status} ${body.slice(0, 20)}`);
    assert.deepEqual([answer.status, answer.body, answer.retryable], [status, body, retryable]);
    assert.match(answer.message, new RegExp(`session.get answered ${status}`));
  }
});

test("an invalid HTTP address throws", () => {
  for (const url of ["ws://127.0.0.1", "relevo", "http://"]) {
    assert.throws(() => new HttpClient(url, "jwt"), /address/);
  }
});
