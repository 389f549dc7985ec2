// The messages of the peers written for Node: rows and sessions of the size that Relevo sends.

export const row = (agent, status, at) => ({
  id: agent,
  name: agent,
  role: "agent",
  departments: [],
  status,
  status_since_at: at,
  load: 5,
  capacity: 10,
  pending: 0,
  available: status === "connected",
});

export const sent = (session, from, to, at) => ({
  session: { id: session, customer: { id: "c1", name: "Customer" }, state: "in_progress", owner: to, updated_at: at },
  transfer: { session_id: session, from, to, by: from, outcome: "assigned", at },
});
