/**
 * An agent: accept what is pending, and transfer each session to a department with a reason.
 *
 *     RELEVO_TOKEN=... node examples/agent.mjs billing [ws://127.0.0.1:8765/ws]
 *
 * Node 22 or later; Node 20 needs --experimental-websocket.
 */

import { Client, RelevoError, Target } from "../clients/js/src/index.js";

const [department, url = "ws://127.0.0.1:8765/ws"] = process.argv.slice(2);
const client = new Client(url, process.env.RELEVO_TOKEN);

/** Take a session out of the pending list; the event sessionAssigned follows. */
async function accept(session) {
  try {
    await client.sessions.accept(session.id, { fence: session.fence });
  } catch (error) {
    if (!(error instanceof RelevoError)) throw error;
    console.log(`${session.id} stays pending: ${error.message}`);
  }
}

/** Transfer a session to a department; the fence makes sure that it is still this agent's. */
async function handOver(session) {
  try {
    const { transfer } = await client.sessions.transfer(session.id, Target.department(department), {
      reason: "needs an invoice",
      fence: session.fence,
    });
    console.log(`${session.id} transferred to ${department}: ${transfer.outcome}`);
  } catch (error) {
    if (!(error instanceof RelevoError)) throw error;
    console.log(`${session.id} stays here: ${error.message}`);
  }
}

client.on("connected", async () => {
  // After a reconnect nothing is replayed: the inbox holds what the agent has now.
  for (const session of client.inbox.inProgress.values()) await handOver(session);
  for (const session of client.inbox.pending.values()) await accept(session);
});
client.on("sessionPending", ({ session }) => accept(session));
client.on("sessionAssigned", async ({ session }) => {
  console.log(`${session.id} is mine: ${session.customer.name}`);
  await handOver(session);
});

await client.start();
await client.agents.setStatus("connected");
