--[[
Connections, leases and graces, and what is due when one of them ends.
]]
local function due_remove(...)
  call('ZREM', P .. 'due', ...)
end

-- An agent's last connection is gone since `at`: it stays as it was for the grace, unless it said goodbye.
local function remove_connection(agent_id, node_id, connection_id, at, clean)
  local connections = P .. 'connections:' .. agent_id
  if call('SREM', connections, node_id .. ' ' .. connection_id) == 0 then return end
  if call('SCARD', connections) > 0 or call('HEXISTS', P .. 'agents', agent_id) == 0 then return end
  local sessions, sessions_at = 'sessions ' .. agent_id, at + limits.session_grace_ms
  if clean then
    local a = find_agent(agent_id)
    touch(a)
    a.present = false
    call('ZADD', P .. 'due', sessions_at, sessions)
  else
    call('ZADD', P .. 'due', sessions_at, sessions, at + limits.presence_grace_ms, 'presence ' .. agent_id)
  end
end

local sweeps = {
  -- A node let its lease run out: its connections are gone since then.
  node = function(node_id, at)
    for _, connection in ipairs(call('SPOP', P .. 'node:' .. node_id, SWEEP_MAX)) do
      local agent_id, connection_id = string.match(connection, '^(%S+) (%S+)$')
      remove_connection(agent_id, node_id, connection_id, at, false)
    end
    return call('EXISTS', P .. 'node:' .. node_id) == 0
  end,
  presence = function(agent_id)
    local a = find_agent(agent_id)
    touch(a)
    a.present = false
    return true
  end,
  -- An agent stayed away: what it had in progress waits in its own pending list.
  sessions = function(agent_id)
    local ids = call('ZRANGE', P .. 'owned:' .. agent_id, 0, SWEEP_MAX - 1)
    for _, id in ipairs(ids) do
      local s = find_session(id)
      local change = change_of(s)
      append_entry(change, s, 'moved')
      notify_sender(change, s, 'moved')
      move_session(s, 'pending', 'agent', agent_id)
      s.parts.target = pack_owner('agent', agent_id)
      conclude(s, change, 'moved')
    end
    return #ids < SWEEP_MAX
  end,
  -- A queue was longer than one step may empty.
  drain = function(agent_id)
    local a = find_agent(agent_id)
    touch(a)
    a.drain_on = true
    return true
  end,
}

-- Do what is due, in the order of the times, and return whether there was anything, and whether there is more. One
-- thing brings the next: where nobody has looked for long, a lease that ran out, and the graces that have ended since.
local function sweep()
  -- Mostly nothing is, and a count is less to read than what comes first.
  if call('ZCOUNT', P .. 'due', '-inf', now) == 0 then return false end
  for done = 0, SWEEP_MAX - 1 do
    local due = call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')
    local at = tonumber(due[2])
    if not at or at > now then return done > 0 end
    local kind, id = string.match(due[1], '^(%S+) (%S+)$')
    if not sweeps[kind](id, at) then return true, true end
    due_remove(due[1])
  end
  return true, true
end
