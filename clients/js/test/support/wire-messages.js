/** Messages as a router puts them on the wire, written out by hand. */

export const agentRow = (id = "ana", fields = {}) => ({
  id,
  name: id[0].toUpperCase() + id.slice(1),
  role: "agent",
  departments: ["sales"],
  status: "connected",
  status_since_at: 1,
  load: 0,
  capacity: 10,
  pending: 0,
  available: true,
  ...fields,
});

export const departmentRow = (id = "sales", fields = {}) => ({
  id,
  name: id[0].toUpperCase() + id.slice(1),
  agents: 1,
  available: 1,
  queued: 0,
  ...fields,
});

export const transferMap = (sessionId = "c-1", fields = {}) => ({
  id: "t-1",
  session_id: sessionId,
  from: { kind: "agent", id: "bo", name: "Bo" },
  to: { kind: "agent", id: "ana", name: "Ana" },
  by: { id: "bo", name: "Bo", role: "agent" },
  reason: "speaks Spanish",
  outcome: "assigned",
  assigned_to: null,
  at: 5,
  ...fields,
});

export const sessionMap = (id = "c-1", { owner = "ana", ...fields } = {}) => ({
  id,
  customer: { id: "u-1", name: "Eva" },
  state: "in_progress",
  owner: owner === null ? null : { kind: "agent", id: owner },
  fence: 1,
  hops: 0,
  opened_at: 100,
  updated_at: 100,
  transfer: null,
  ...fields,
});

export const welcomeMap = ({ in_progress = [], pending = [], ...fields } = {}) => ({
  type: "welcome",
  id: "hello",
  connection_id: "k-1",
  tenant: "acme",
  role: "agent",
  agent: agentRow(),
  expires_at: 9,
  server_at: 1,
  ping_interval_ms: 20000,
  inbox: { in_progress, pending },
  ...fields,
});

export const snapshotMap = (seq = 1, fields = {}) => ({
  type: "directory.snapshot",
  epoch: "e1",
  seq,
  departments: [departmentRow()],
  agents: [agentRow()],
  ...fields,
});

export const patchMap = (since, seq, fields = {}) => ({
  type: "directory.patch",
  epoch: "e1",
  since,
  seq,
  departments: [],
  agents: [],
  departments_removed: [],
  agents_removed: [],
  ...fields,
});

export const errorMap = (code, { retryable = false, ...details } = {}) => ({
  code,
  message: `it is ${code}`,
  retryable,
  details,
});

export const ENTRY = { seq: 1, kind: "internal", at: 5, by: null, text: "hola", transfer: null };
