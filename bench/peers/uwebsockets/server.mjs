/*
One node of the job on uWebSockets.js and Redis pub/sub, as its documentation advises: publish() for what goes to
many, no compression. Its authors do not publish it on npm; this is 20.30 as Truffle republished it there.

usage: node server.mjs PORT REDIS_PORT
*/
import { createRequire } from "node:module";
import { createClient } from "redis";
import { row, sent } from "../messages.mjs";

// The package's main file falls back to one in JavaScript where this binary does not fit.
const binary = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
const uws = createRequire(import.meta.url)(`@trufflesuite/uws-js-unofficial/binaries/${binary}`);

const [port, redisPort] = process.argv.slice(2).map(Number);
const store = await createClient({ url: `redis://127.0.0.1:${redisPort}` }).connect();
const subscriber = await store.duplicate().connect();

const receive = async (socket, message) => {
  const { agent } = socket.getUserData();
  if (message.type === "status") {
    const changed = row(agent, message.status, Date.now());
    await Promise.all([
      store.hSet("agents", agent, JSON.stringify(changed)),
      store.publish("dialogs", JSON.stringify({ type: "row", row: changed })),
    ]);
    return { type: "reply", id: message.id };
  }
  const news = sent(message.session_id, agent, message.to, Date.now());
  await Promise.all([
    store.hSet("sessions", message.session_id, JSON.stringify(news.session)),
    store.publish("agents", `${message.to} ${JSON.stringify({ type: "session.assigned", ...news })}`),
  ]);
  return { type: "session.removed", session_id: message.session_id, id: message.id };
};

const greet = (socket, hello) => {
  const user = socket.getUserData();
  user.agent = hello.agent;
  socket.subscribe(`agent ${hello.agent}`);
  if (hello.dialog) socket.subscribe("dialogs");
  socket.send(JSON.stringify({ type: "welcome" }));
};

const app = uws.App().ws("/*", {
  compression: uws.DISABLED,
  open: (socket) => {
    socket.getUserData().isOpen = true;
  },
  message: async (socket, data) => {
    // The buffer is the library's again after the first await.
    const message = JSON.parse(Buffer.from(data).toString());
    const user = socket.getUserData();
    if (user.agent === undefined) {
      greet(socket, message);
      return;
    }
    const answer = JSON.stringify(await receive(socket, message));
    if (user.isOpen) socket.send(answer);
  },
  close: (socket) => {
    socket.getUserData().isOpen = false;
  },
});

await subscriber.subscribe("dialogs", (text) => app.publish("dialogs", text));
await subscriber.subscribe("agents", (text) => {
  const cut = text.indexOf(" ");
  app.publish(`agent ${text.slice(0, cut)}`, text.slice(cut + 1));
});
app.listen("127.0.0.1", port, () => {});
