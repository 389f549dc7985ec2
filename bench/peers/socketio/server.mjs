/*
One node of the job on Socket.IO, as its documentation advises: the Redis adapter, the msgpack parser, websockets
only, no compression, bufferutil beside ws.

usage: node server.mjs PORT REDIS_PORT
*/
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";
import parser from "socket.io-msgpack-parser";
import { row, sent } from "../messages.mjs";

const [port, redisPort] = process.argv.slice(2).map(Number);
const store = await createClient({ url: `redis://127.0.0.1:${redisPort}` }).connect();
const publisher = await store.duplicate().connect();
const subscriber = await store.duplicate().connect();

const http = createServer();
const io = new Server(http, {
  adapter: createAdapter(publisher, subscriber),
  parser,
  perMessageDeflate: false,
  transports: ["websocket"],
});

io.on("connection", (socket) => {
  let agent = "";
  socket.on("hello", (message) => {
    agent = message.agent;
    socket.join(`agent ${agent}`);
    if (message.dialog) socket.join("dialogs");
    socket.emit("welcome");
  });
  socket.on("status", async (message) => {
    const changed = row(agent, message.status, Date.now());
    await store.hSet("agents", agent, JSON.stringify(changed));
    io.to("dialogs").emit("row", changed);
    socket.emit("reply", message.id);
  });
  socket.on("transfer", async (message) => {
    const news = sent(message.session_id, agent, message.to, Date.now());
    await store.hSet("sessions", message.session_id, JSON.stringify(news.session));
    io.to(`agent ${message.to}`).emit("session.assigned", news);
    socket.emit("session.removed", { session_id: message.session_id, id: message.id });
  });
});

http.listen(port, "127.0.0.1");
