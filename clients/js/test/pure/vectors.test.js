/** The vectors that every client is checked against, whatever its language; see protocol/vectors/README.md. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import * as library from "@msgpack/msgpack";
import * as relevo from "../../src/index.js";
import { UndecodableMessageError } from "../../src/codec.js";
import { InvalidDataError } from "../../src/decode.js";
import { errorFromWire, stopFromClose } from "../../src/errors.js";
import { PUSHES } from "../../src/events.js";
import { foldText, orderKey } from "../../src/names.js";
import * as objects from "../../src/objects.js";
import { PendingCommand } from "../../src/pending-commands.js";
import { CoreDriver } from "../support/core-driver.js";

const { json, messagePack } = relevo;
const msgpack = messagePack(library);

const load = (file) =>
  JSON.parse(readFileSync(new URL(`../../../../protocol/vectors/${file}`, import.meta.url), "utf8"));

/** Return the vector's frame in each format that it has. */
function frames(vector) {
  const found = [];
  if (vector.json !== undefined) found.push([json, vector.json]);
  if (vector.msgpack !== undefined) found.push([msgpack, new Uint8Array(Buffer.from(vector.msgpack, "hex"))]);
  return found;
}

/** Return an object of the client as the map it was decoded from. */
function toWire(value) {
  if (Array.isArray(value)) return value.map(toWire);
  if (typeof value !== "object" || value === null) return value;
  const { extra = {}, ...known } = value;
  const fields = Object.entries(known).map(([name, item]) => [snake(name), toWire(item)]);
  return { ...Object.fromEntries(fields), ...extra };
}

/** Return what was decoded without empty fields that a vector need not name. */
function trimmed(decoded, means) {
  if (Array.isArray(decoded)) return decoded.map((item, index) => trimmed(item, means?.[index]));
  if (typeof decoded !== "object" || decoded === null) return decoded;
  const kept = Object.entries(decoded).filter(
    ([name, value]) => Object.hasOwn(means ?? {}, name) || !isEmpty(value),
  );
  return Object.fromEntries(kept.map(([name, value]) => [name, trimmed(value, means?.[name])]));
}

function isEmpty(value) {
  return typeof value === "object" ? Object.keys(value ?? {}).length === 0 : !value;
}

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());

/** The arguments that a method takes by position; the others are options. */
const POSITIONAL = {
  "agents.setStatus": ["status"],
  "sessions.open": ["session_id", "customer", "target"],
  "sessions.transfer": ["session_id", "target"],
  "sessions.accept": ["session_id"],
  "sessions.decline": ["session_id"],
  "sessions.recall": ["session_id"],
  "sessions.note": ["session_id", "text"],
  "sessions.close": ["session_id"],
  "sessions.get": ["session_id"],
  "sessions.explain": ["session_id"],
  "sessions.place": ["session_id"],
  "sessions.answer": ["session_id"],
  "sessions.update": ["session_id"],
  "sessions.historyPage": ["session_id"],
  "sessions.listPage": [],
  "agents.put": ["agent_id", "name"],
  "agents.get": ["agent_id"],
  "agents.listPage": [],
  "agents.remove": ["agent_id"],
  "departments.put": ["department_id", "name"],
  "departments.get": ["department_id"],
  "departments.listPage": [],
  "departments.remove": ["department_id"],
  "settings.get": [],
  "settings.put": ["settings"],
};

/** Keeps what a command would send. */
class Recorder extends relevo.CommandMethods {
  async command(type, fields, { key = null } = {}) {
    const present = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
    this.sent = [type, present, key];
    throw new Error("recorded");
  }
}

/** Decode a frame by the format's own library; an integer in MessagePack that is a float fails. */
function plain(frame) {
  if (typeof frame === "string") return JSON.parse(frame);
  return integers(library.decode(frame, { useBigInt64: true }));
}

function integers(value) {
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "number") assert.ok(value < 2 ** 32, `${value} is a float`);
  if (Array.isArray(value)) return value.map(integers);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, integers(item)]));
}

for (const vector of load("commands.json")) {
  test(`commands: ${vector.name}`, async () => {
    const call = camel(vector.call);
    const [resource, method] = call.split(".");
    const names = POSITIONAL[call];
    const options = Object.entries(vector.arguments).filter(([name]) => !names.includes(name));
    const recorder = new Recorder();
    const sending = recorder[resource][method](
      ...names.map((name) => vector.arguments[name]),
      Object.fromEntries(options.map(([name, value]) => [camel(name), value])),
    );
    await assert.rejects(sending, /recorded/);
    const [type, fields, key] = recorder.sent;
    const message = new PendingCommand("1", type, fields, key, 0).message();

    for (const [codec, frame] of frames(vector)) {
      assert.deepEqual(plain(codec.encode(message)), { ...vector.means, id: "1" });
      const { id, ...means } = plain(frame);
      assert.ok(id);
      assert.deepEqual(means, vector.means);
    }
  });
}

const DECODERS = new Map([
  ...PUSHES,
  ["welcome", objects.welcome],
  ["directory.snapshot", objects.snapshot],
  ["directory.patch", objects.patch],
]);

for (const vector of load("messages.json")) {
  test(`messages: ${vector.name}`, () => {
    for (const [codec, frame] of frames(vector)) {
      const decoded = codec
        .decode(frame)
        .map((message) => ({ ...toWire(DECODERS.get(message.type)(message, "")), type: message.type }));

      assert.deepEqual(trimmed(decoded, vector.means), vector.means);
    }
  });
}

test("messages: every push has a vector", () => {
  const types = load("messages.json").flatMap(({ means }) => means.map(({ type }) => type));

  assert.deepEqual(new Set(types), new Set(DECODERS.keys()));
});

const CALLS = {
  "status.set": (client) => client.agents.setStatus("pause"),
  "department.put": (client) => client.departments.put("sales", "Sales"),
  "session.get": (client) => client.sessions.get("s"),
  "session.transfer": (client) => client.sessions.transfer("s", relevo.Target.agent("bruno")),
  "session.note": (client) => client.sessions.note("s", "text"),
  "session.history": (client) => client.sessions.historyPage("s"),
  "session.list": (client) => client.sessions.listPage(),
  "session.place": (client) => client.sessions.place("s"),
  "session.explain": (client) => client.sessions.explain("s"),
};

for (const vector of load("replies.json")) {
  test(`replies: ${vector.name}`, async () => {
    for (const [codec, frame] of frames(vector)) {
      const [reply] = codec.decode(frame);
      if (vector.error === undefined) {
        const client = new relevo.CommandMethods();
        client.command = async () => reply.result;
        const wire = toWire(await CALLS[vector.command](client));
        const parts = Object.keys(vector.result);
        // A result of one part is that part itself.
        const whole = parts.length === 1 ? { [parts[0]]: wire } : wire;
        assert.deepEqual(trimmed(whole, vector.result), vector.result);
        continue;
      }
      const { class: kind, ...expected } = vector.error;
      const error = errorFromWire(reply.error);
      assert.equal(error.constructor, relevo[kind]);
      for (const [name, value] of Object.entries(expected)) assert.deepEqual(error[name], value, name);
      for (const [name, value] of Object.entries(vector.facts)) {
        assert.deepEqual(trimmed(toWire(error[camel(name)]), value), value, name);
      }
    }
  });
}

for (const vector of load("closes.json")) {
  test(`closes: ${vector.code}`, () => {
    const stop = stopFromClose(vector.code, "");

    assert.equal(stop === null, vector.reconnect);
    if (stop !== null) assert.equal(stop.constructor, relevo[vector.class]);
  });
}

for (const vector of load("malformed.json")) {
  test(`malformed: ${vector.name}`, () => {
    for (const [codec, frame] of frames(vector)) {
      if (vector.why === "undecodable") {
        assert.throws(() => codec.decode(frame), UndecodableMessageError);
        continue;
      }
      const driver = new CoreDriver();
      driver.connect();
      driver.subscribe();
      assert.throws(() => driver.receive(...codec.decode(frame)), InvalidDataError);
    }
  });
}

const names = load("names.json");

for (const { name, text, folded } of names.filter((vector) => "folded" in vector))
  test(`text: ${name}`, () => assert.equal(foldText(text), folded));

for (const { name, sorted } of names.filter((vector) => "sorted" in vector))
  test(`names: ${name}`, () => {
    const keys = sorted.map(orderKey);

    assert.deepEqual([...keys].reverse().sort(), keys);
    assert.equal(new Set(keys).size, keys.length);
  });

for (const { name, agents, departments, search, found } of names.filter((vector) => "found" in vector))
  test(`agents: ${name}`, () => {
    const directory = new relevo.Directory();
    directory.replace(objects.snapshot({ epoch: "e", seq: 1, agents, departments }, ""));

    assert.deepEqual(
      directory.agentsByReadiness(search).map(({ id }) => id),
      found,
    );
  });

for (const { name, rule, session, target, agent = null, reason, broken } of load("rules.json"))
  test(`rules: ${name}`, () => {
    const { department, hops, hops_free: hopsFree } = session;

    assert.deepEqual(relevo.brokenBy(rule, { department, hops, hopsFree }, target, agent, reason), broken);
  });

test("rules: the department's counts, or else the tenant's", () => {
  const departments = new Map([
    ["sales", { rule: null }],
    ["help", { rule: "own" }],
  ]);

  const found = ["help", "sales", "gone", null].map((department) =>
    relevo.ruleOf({ department }, { departments, rule: "tenant's" }),
  );

  assert.deepEqual(found, ["own", null, "tenant's", "tenant's"]);
});
