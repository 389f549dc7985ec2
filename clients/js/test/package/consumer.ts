/** How a TypeScript program uses the package; compiled against the declarations in it, never run. */

import {
  Client,
  ConflictError,
  HttpClient,
  Target,
  messagePack,
  type Agent,
  type ClientEvent,
  type Session,
  type Signals,
  type Transfer,
} from "relevo-client";

const signals: Signals = (listener) => {
  listener.wake();
  listener.online(true);
  return () => {};
};

export async function use(socket: typeof WebSocket): Promise<void> {
  const client = new Client(["ws://a/ws", "ws://b/ws"], async () => "jwt", {
    WebSocket: socket,
    signals,
    codec: messagePack({
      encode: (value: unknown) => new Uint8Array(),
      decode: (bytes: Uint8Array) => bytes,
    }),
    logger: console,
  });
  const off: () => void = client.on("sessionAssigned", (event) => {
    const session: Session = event.session;
    const transfer: Transfer | null = event.transfer;
    console.log(session.openedAt.toFixed(), transfer?.by.name);
    // @ts-expect-error: this event has no such field
    console.log(event.why);
    // @ts-expect-error: a session is for reading
    session.state = "closed";
    // @ts-expect-error: an event is for reading
    event.transfer = null;
    console.log(session.extra["of a newer router"]);
  });
  off();
  await client.start();
  const { agents } = await client.directory.subscribe({ timeout: 1000 });
  const ana: Agent | undefined = agents.get("ana");
  // @ts-expect-error: the directory is for reading
  agents.set("ana", ana);
  // @ts-expect-error: there is no such status
  await client.agents.setStatus("asleep");
  const { session, transfer } = await client.sessions.transfer("s-1", Target.agent("bo"), {
    reason: "why",
    fence: 1,
    key: "k",
    signal: new AbortController().signal,
  });
  const outcome: "assigned" | "pending" | "queued" | "offered" = transfer.outcome;
  console.log(session.fence, outcome);
  for await (const event of client) {
    if (event.type === "eventsLost") console.log(event.count.toFixed());
    else tell(event);
  }
  const relevo = new HttpClient("http://a", "jwt");
  for await (const found of relevo.sessions.list({ state: "queued" })) console.log(found.customer.name);
  await relevo.sessions.close("s-1").catch((error: unknown) => {
    if (error instanceof ConflictError) console.log(error.owner?.id, error.by?.name, error.retryable);
  });
}

function tell(event: ClientEvent): string {
  switch (event.type) {
    case "disconnected":
      return `${event.closeCode} ${event.reconnectInMs ?? "for good"}`;
    case "sessionRemoved":
      return event.sessionId;
    default:
      return event.type;
  }
}
