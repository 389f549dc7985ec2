--[[
Connections, leases and graces, and what is due when one of them ends.
]]
local remove_connection, take_lease, begin_grace, bring_back, sweeps, sweep, due_in
do

local NEVER = 2 ^ 52
local LOST_MAX = 100 -- sessions that an agent gets back at its hello
local PAGE = 1000 -- of what is due, where a lease is looked for

-- An agent's last connection is gone since `at`: it stays as it was for the grace, unless it said goodbye.
function remove_connection(agent_id, node_id, connection_id, at, clean)
  local connections = P .. 'connections:' .. agent_id
  if call('SREM', connections, node_id .. ' ' .. connection_id) == 0 then return end
  if call('SCARD', connections) > 0 then return end
  local a = find_agent(agent_id)
  if not a then return end
  due_add(at + limits.session_grace_ms, 'sessions ' .. agent_id)
  if clean then
    touch(a)
    a.present = false
  else
    due_add(at + limits.presence_grace_ms, 'presence ' .. agent_id)
  end
end

-- A time in which no node served the tenant is no absence: a grace that ran in it begins again when one does.
-- Whether a node has a lease that has not run out.
local function is_served()
  local first, listed = 0, nil
  repeat
    listed = call('ZRANGE', P .. 'due', '(' .. now, '+inf', 'BYSCORE', 'LIMIT', first, PAGE)
    for _, what in ipairs(listed) do
      if sub(what, 1, 5) == 'node ' then return true end
    end
    first = first + PAGE
  until #listed < PAGE
  return false
end

-- The request's node extends its lease, or takes one.
function take_lease()
  local lease = 'node ' .. request.node_id
  -- As long as nothing is due, no lease has run out that is known.
  local ends_at = now >= meta.due_at and tonumber(call('ZSCORE', P .. 'due', lease))
  local was_live = now < meta.due_at or ends_at and ends_at > now
  local is_new = call('ZADD', P .. 'due', now + request.lease_ms, lease) == 1
  lease_known = not is_new
  due_at(now + request.lease_ms)
  if was_live and not is_new then return end
  call('ZREM', P .. 'due', lease)
  if not is_served() and call('ZCARD', P .. 'due') > 0 then
    set_extra(meta, 'served_at', now)
    meta_changed = true
  end
  call('ZADD', P .. 'due', now + request.lease_ms, lease)
end

-- Return whether a grace that ends at `at` does not, as no node served the tenant meanwhile.
local function begin_again(what, at, grace_ms)
  local since = (request.lease_ms or is_served()) and (meta.extra.served_at or 0) or now
  if at - grace_ms >= since then return false end
  due_add(since + grace_ms, what)
  return true
end

-- An agent that takes a session without a connection, over HTTP, has it for a grace: as if it had just dropped.
function begin_grace(a)
  if not request.by.attached and call('SCARD', P .. 'connections:' .. a.id) == 0 then
    due_add(now + limits.session_grace_ms, 'sessions ' .. a.id)
  end
end

-- A lost agent's session goes on through its department, at the place of its age; without one, or where the settings say
-- so, it waits in the agent's own list. Which one it was taken from is known until something else happens to it.
local function take_away(s, a)
  local state, owner_id, _, choice = 'pending', a.id, nil, {agent = a.id}
  local department = department_of(s)
  if department and setting('after_grace', department) == 'department' then
    state, owner_id, _, choice = route('department', department, a.id, s)
  else
    s.target_kind, s.target_id = 'agent', a.id
  end
  s.lost_by = a.id
  move_by_system(s, state, owner_id, choice, 'disconnected')
  local lost = a.extra.lost or {}
  if #lost < LOST_MAX then
    lost[#lost + 1] = s.id
    set_extra(a, 'lost', lost)
  end
end

-- An agent that is back has in progress, before any queue, what was taken from it and still waits.
function bring_back(a)
  local lost = a.extra.lost
  if not lost or a.chosen == 'disconnected' then return end
  touch(a)
  set_extra(a, 'lost', nil)
  for _, id in ipairs(lost) do
    local s = a.load < a.capacity and find_session(id)
    if s and s.extra.lost == a.id and s.state ~= 'in_progress' then
      move_by_system(s, 'in_progress', a.id, {agent = a.id})
    end
  end
end

-- What each kind of due thing does; returns whether it is done, and how many things it did.
sweeps = {
  -- A node let its lease run out: its connections are gone since then.
  node = function(node_id, at)
    local gone = call('SPOP', P .. 'node:' .. node_id, SWEEP_MAX)
    for _, connection in ipairs(gone) do
      local agent_id, connection_id = string.match(connection, '^(%S+) (%S+)$')
      if agent_id then remove_connection(agent_id, node_id, connection_id, at, false) end
    end
    return call('EXISTS', P .. 'node:' .. node_id) == 0, #gone
  end,
  presence = function(agent_id, at)
    if begin_again('presence ' .. agent_id, at, limits.presence_grace_ms) then return false, 0 end
    local a = find_agent(agent_id)
    if a then
      touch(a)
      a.present = false
    end
    return true, 1
  end,
  -- An agent stayed away: what it had in progress is taken from it.
  sessions = function(agent_id, at)
    if begin_again('sessions ' .. agent_id, at, limits.session_grace_ms) then return false, 0 end
    local a = find_agent(agent_id)
    local ids = a and owned_by(a, SWEEP_MAX) or {}
    for _, id in ipairs(ids) do
      local s = find_session(id)
      if s and s.owner_id == agent_id and s.state == 'in_progress' then
        take_away(s, a)
      else
        disown(a, id)
      end
    end
    return #ids < SWEEP_MAX, #ids
  end,
  -- A queue was longer than one step may empty.
  drain = function(agent_id)
    local a = find_agent(agent_id)
    if a then
      touch(a)
      a.drain_on = true
    end
    -- It may take as many as a step does.
    return true, SWEEP_MAX
  end,
  -- A department was removed: its members go on without it.
  leave = function(department_id)
    local members = call('SPOP', P .. 'members:' .. department_id, SWEEP_MAX)
    for _, agent_id in ipairs(members) do
      local a = find_agent(agent_id)
      if a then describe(a, a.name, a.role, without_id(a.departments, department_id), a.capacity) end
    end
    if #members == SWEEP_MAX then return false, #members end
    call('DEL', P .. 'available:' .. department_id)
    return true, #members
  end,
}

-- In how many milliseconds the next thing is due; at most 0 where this step has not done all.
function due_in()
  local at = tonumber(call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')[2] or NEVER)
  due_at(at)
  return at - now
end

-- Do what is due, in the order of the times, and return whether there was anything, and whether there is more. One
-- thing brings the next: after a long silence, a lease that ran out, and the graces that have ended since.
function sweep()
  if now < meta.due_at then return false end
  local spent = 0
  while spent < SWEEP_MAX do
    local due = call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')
    local at = tonumber(due[2])
    if not at or at > now then
      meta.due_at, meta_changed = at or NEVER, true
      return spent > 0
    end
    local kind, id = string.match(due[1], '^(%S+) (%S+)$')
    local done, cost = true, 1
    if sweeps[kind] then
      done, cost = sweeps[kind](id, at)
    else
      set_aside('due ' .. due[1], due[2], 'no such thing can be done')
    end
    if done then due_remove(due[1]) end
    spent = spent + 1 + cost
  end
  return true, true
end

end
