import assert from "node:assert/strict";
import test from "node:test";
import * as relevo from "../../src/index.js";
import { InvalidDataError } from "../../src/decode.js";
import { errorFromWire, ERRORS, stopFromClose } from "../../src/errors.js";
import { errorMap } from "../support/wire-messages.js";

const LASTING =
  "bad_message unauthorized forbidden not_found conflict closed same_target at_capacity in_use not_allowed no_origin exists key_reused";
const PASSING = "rate_limited unavailable internal";

test("every code of the protocol has a class of its own", () => {
  assert.deepEqual([...ERRORS.keys()].sort(), `${LASTING} ${PASSING}`.split(" ").sort());
  assert.equal(new Set(ERRORS.values()).size, 16);
  for (const code of LASTING.split(" ")) assert.equal(ERRORS.get(code).retryable, false, code);
  for (const code of PASSING.split(" ")) assert.equal(ERRORS.get(code).retryable, true, code);
});

test("an error has the router's message and details", () => {
  for (const [code, kind] of ERRORS) {
    const error = errorFromWire(errorMap(code, { retryable: kind.retryable, path: "x" }));

    assert.equal(error.constructor, kind);
    assert.ok(error instanceof relevo.RelevoError && error instanceof Error);
    assert.deepEqual([error.code, error.retryable, error.details], [code, kind.retryable, { path: "x" }]);
    assert.equal(error.message, `it is ${code}`);
    assert.equal(error.name, kind.name);
  }
});

test("a conflict has the present owner", () => {
  const by = { id: "bo", name: "Bo", role: "admin" };
  const owner = { kind: "agent", id: "cy" };
  const error = errorFromWire(errorMap("conflict", { fence: 4, state: "pending", owner, by, at: 77 }));

  assert.ok(error instanceof relevo.ConflictError);
  assert.deepEqual([error.fence, error.state, error.at], [4, "pending", 77]);
  assert.deepEqual(
    [error.owner, error.by],
    [
      { ...owner, extra: {} },
      { ...by, extra: {} },
    ],
  );
});

test("a conflict without details is still a ConflictError", () => {
  const error = errorFromWire({ code: "conflict", details: { owner: 3, by: "x", fence: "y" } });

  assert.ok(error instanceof relevo.ConflictError);
  assert.deepEqual(
    [error.owner, error.by, error.fence, error.state, error.at],
    [null, null, null, null, null],
  );
});

test("not_allowed says why, and what would be allowed", () => {
  const alternatives = [{ kind: "agent", id: "bea", name: "Bea" }, 5];
  const error = errorFromWire(
    errorMap("not_allowed", { because: "status", department: "sales", alternatives }),
  );

  assert.ok(error instanceof relevo.NotAllowedError);
  assert.deepEqual([error.because, error.department], ["status", "sales"]);
  assert.deepEqual(error.alternatives, [{ kind: "agent", id: "bea", name: "Bea", extra: {} }]);
});

test("no_origin has the owner", () => {
  const error = errorFromWire(errorMap("no_origin", { owner: { kind: "agent", id: "cy" } }));

  assert.ok(error instanceof relevo.NoOriginError);
  assert.equal(error.owner.id, "cy");
});

test("every error of the package ends in Error", () => {
  const errors = Object.values(relevo).filter((each) => each.prototype instanceof Error);

  assert.ok(errors.length > 20);
  for (const { name } of errors) assert.match(name, /Error$/);
});

test("an unknown code is a RelevoError with that code", () => {
  const error = errorFromWire(errorMap("too_late", { retryable: true }));

  assert.equal(error.constructor, relevo.RelevoError);
  assert.deepEqual([error.code, error.retryable], ["too_late", true]);
});

test("an invalid error map throws", () => {
  for (const value of [undefined, null, [], "conflict", {}, { code: 4 }]) {
    assert.throws(() => errorFromWire(value), InvalidDataError);
  }
});

test("close codes below 4500 reconnect", () => {
  for (const code of [1000, 1001, 1006, 1011, 4000, 4001, 4002, 4003, 4499, 5000]) {
    assert.equal(stopFromClose(code, ""), null);
  }
});

test("close codes from 4500 stop the client", () => {
  for (const [closeCode, kind, code] of [
    [4500, relevo.SignInRefusedError, "unauthorized"],
    [4501, relevo.TokenExpiredError, "unauthorized"],
    [4502, relevo.SentAwayError, "forbidden"],
    [4503, relevo.MessageRefusedError, "bad_message"],
    [4504, relevo.HelloTimeoutError, "hello_timeout"],
    [4505, relevo.RateLimitPassedError, "rate_limited"],
    [4506, relevo.ReplacedError, "replaced"],
    [4600, relevo.ConnectionStoppedError, "connection_stopped"],
  ]) {
    const error = stopFromClose(closeCode, "why");

    assert.equal(error.constructor, kind);
    assert.ok(error instanceof relevo.ConnectionStoppedError);
    assert.deepEqual(
      [error.code, error.closeCode, error.message, error.retryable],
      [code, closeCode, "why", false],
    );
  }
});
