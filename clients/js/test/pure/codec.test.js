import assert from "node:assert/strict";
import test from "node:test";
import * as library from "@msgpack/msgpack";
import { json, messagePack } from "../../src/index.js";
import {
  BATCH_MESSAGES_MAX,
  byteLength,
  MESSAGE_BYTES_MAX,
  pack,
  UndecodableMessageError,
  whyNotPlain,
} from "../../src/codec.js";

const codecs = { json, msgpack: messagePack(library) };

for (const [name, codec] of Object.entries(codecs)) {
  test(`${name}: a message survives encoding and decoding`, () => {
    const message = { type: "session.note", id: "1", text: "¿Qué tal? 👋", n: 2 ** 53 - 1, x: null };

    assert.deepEqual(codec.decode(codec.encode(message)), [message]);
  });

  for (const count of [2, 15, 16, 64]) {
    test(`${name}: a batch of ${count} keeps its order`, () => {
      const messages = Array.from({ length: count }, (_, index) => ({ id: String(index) }));

      assert.deepEqual(codec.decode(codec.join(messages.map(codec.encode))), messages);
    });
  }

  test(`${name}: many messages are packed into the fewest frames`, () => {
    const messages = Array.from({ length: BATCH_MESSAGES_MAX + 2 }, (_, index) => ({ id: String(index) }));
    const frames = pack(codec, messages.map(codec.encode));

    assert.deepEqual(
      frames.map((frame) => codec.decode(frame).length),
      [BATCH_MESSAGES_MAX, 2],
    );
    assert.deepEqual(frames.flatMap(codec.decode), messages);
  });

  test(`${name}: no frame exceeds the router's limit`, () => {
    const messages = Array.from({ length: 10 }, () => codec.encode({ text: "ñ".repeat(10_000) }));
    const frames = pack(codec, messages);

    assert.ok(frames.every((frame) => Buffer.byteLength(frame) <= MESSAGE_BYTES_MAX));
    assert.equal(frames.flatMap(codec.decode).length, 10);
  });

  test(`${name}: one message is no batch, and none is no frame`, () => {
    const message = codec.encode({ id: "1" });

    assert.deepEqual(pack(codec, [message]), [message]);
    assert.deepEqual(pack(codec, []), []);
  });
}

test("an invalid frame is one error", () => {
  for (const data of ["", "{", '"\u{d800}', "[".repeat(1_000_000)]) {
    assert.throws(() => json.decode(data), UndecodableMessageError, data.slice(0, 9));
  }
  for (const bytes of [[], [0xc1], [0x82, 0xa1], new Array(200_000).fill(0x91)]) {
    assert.throws(() => codecs.msgpack.decode(new Uint8Array(bytes)), UndecodableMessageError);
  }
});

test("a frame of the other type is an error", () => {
  assert.throws(() => json.decode(new ArrayBuffer(2)), UndecodableMessageError);
  assert.throws(() => codecs.msgpack.decode("{}"), UndecodableMessageError);
});

test("MessagePack is decoded from an ArrayBuffer or a view of one", () => {
  const bytes = library.encode({ id: "1" });
  const padded = new Uint8Array([0, ...bytes, 0]);

  assert.deepEqual(codecs.msgpack.decode(Uint8Array.from(bytes).buffer), [{ id: "1" }]);
  assert.deepEqual(codecs.msgpack.decode(padded.subarray(1, -1)), [{ id: "1" }]);
});

test("a text's length is counted in bytes of UTF-8", () => {
  for (const text of ["", "plain", "ñandú", "中文", "👋🏽", "a👋é中"]) {
    assert.equal(byteLength(text), Buffer.byteLength(text));
  }
});

test("a value without a wire form is found at any depth", () => {
  const circle = {};
  circle.again = circle;
  for (const [value, where] of [
    [{ a: NaN }, "a is not finite"],
    [{ a: [1, Infinity] }, "a[1] is not finite"],
    [{ a: { b: "\ud800!" } }, "a.b has half of a surrogate pair"],
    [{ a: 1n }, "a is of type bigint"],
    [{ a: undefined }, "a is of type undefined"],
    [{ a: () => 1 }, "a is of type function"],
    [{ a: new Map() }, "a is no plain object"],
    [{ a: new Date(0) }, "a is no plain object"],
    [circle, /nests too deep$/],
  ]) {
    assert.match(
      whyNotPlain(value),
      where instanceof RegExp
        ? where
        : new RegExp(`^${RegExp.escape?.(where) ?? where.replace(/[[\].]/g, "\\$&")}$`),
    );
  }
  assert.equal(whyNotPlain({ a: [null, true, "👋", 1.5, { b: [] }, Object.create(null)] }), null);
});
