/** A client that sends more than it may, to a real router. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Target } from "../../src/index.js";
import { Router } from "../support/router.js";

const NOTES = 60;
const router = new Router({ RELEVO_AGENT_MESSAGE_RATE: "10" });
before(() => router.start());
after(() => router.end());

async function throttled() {
  const answer = await fetch(`http://127.0.0.1:${router.port}/metrics`);
  return Number(/^relevo_throttled_total\{limit="agent"\} (\S+)$/m.exec(await answer.text())?.[1] ?? 0);
}

for (const over of ["a websocket", "HTTP"]) {
  test(`rate-limited commands over ${over} are retried and applied once`, async () => {
    const tenant = over === "HTTP" ? "http" : "websocket";
    const backEnd = router.http("shop", { tenant, role: "service" });
    const ana = await router.connect("ana", { claims: { tenant } });
    await backEnd.sessions.open("s-1", { id: "c-1", name: "Cleo" }, Target.agent("ana"));
    const sender = over === "HTTP" ? router.http("ana", { tenant }) : ana;
    const before = await throttled();

    const numbers = Array.from({ length: NOTES }, (_, number) => `note ${number}`);
    await Promise.all(numbers.map((text) => sender.sessions.note("s-1", text)));

    const { entries } = await backEnd.sessions.historyPage("s-1", { limit: 500 });
    const written = entries.filter(({ kind }) => kind === "internal").map(({ text }) => text);
    assert.deepEqual(written.sort(), numbers.sort());
    assert.ok((await throttled()) > before);
    assert.equal(ana.state, "connected");
  });
}
