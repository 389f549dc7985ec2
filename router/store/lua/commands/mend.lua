--[[
Make anew what is derived, where an audit found it wrong. What is right after all only is told again; what is lost or
in doubt is left alone.

mends: {kind, what it concerns, ...} each; lists before rows, which are made from them.
Result {outcomes}: for each true, or the text of what went wrong.

It does not sweep first, as other verbs do: what is due may be what is broken.
]]
local recounted -- owners whose lists were changed, or are suspected

local function recount(kind, id)
  recounted[#recounted + 1] = {kind = kind, id = id}
end

local function recount_list(name)
  local kind, id = string.match(name, '^(%a+):(.+)$')
  if kind == 'owned' or kind == 'pending' then recount('agent', id) end
  if kind == 'queue' then recount('department', id) end
end

local function is_there(kind, id)
  return call('HEXISTS', P .. kind .. 's', id) == 1
end

local function in_list(s, name)
  return 'state:' .. s.state == name or (s.owner and LIST[s.state] .. s.owner.id == name)
end

local function expire(key, ms)
  if call('PTTL', key) == -1 then call('PEXPIRE', key, ms) end
end

local function mend_presence(a)
  local presence, sessions = 'presence ' .. a.id, 'sessions ' .. a.id
  if call('SCARD', P .. 'connections:' .. a.id) > 0 then
    a.present = true
    due_remove(presence, sessions)
    return
  end
  local grace = call('ZSCORE', P .. 'due', presence)
  if grace and not a.present then
    due_remove(presence)
  elseif a.present then
    -- As if its last connection had dropped now.
    call('ZADD', P .. 'due', 'NX', now + limits.presence_grace_ms, presence)
    call('ZADD', P .. 'due', 'NX', now + limits.session_grace_ms, sessions)
  end
end

local mends
mends = {
  epoch = function() begin_epoch() end,

  -- No later place is given out again.
  order = function(name)
    local last = call('ZRANGE', P .. name, -1, -1, 'WITHSCORES')[2]
    if last and tonumber(last) < ORDER_STEPS then order = math.max(order, tonumber(last)) end
  end,

  due = function(what)
    local kind, agent_id = string.match(what, '^(%S+) (%S+)$')
    if kind ~= 'node' and not is_there('agent', agent_id) then due_remove(what) end
  end,

  expiry = function(name)
    if string.sub(name, 1, 4) == 'key:' then expire(P .. name, limits.key_ms) end
  end,

  -- A list holds what does not belong there, or whose record is lost.
  entry = function(name, id)
    local s = find_session(id)
    if not (s and in_list(s, name)) then call('ZREM', P .. name, id) end
    recount_list(name)
  end,

  -- A session is where its record says. Of two places in the order the later one, so that nobody overtakes by
  -- mistake; one that no list knows any more is the last.
  session = function(id)
    local s, record = find_session(id)
    if not s or s.id ~= id then return end
    local list = s.owner and LIST[s.state] .. s.owner.id
    local state = P .. 'state:' .. s.state
    local change = change_of(s)
    change.session = record
    local here = list and call('ZSCORE', P .. list, id)
    local at = math.max(tonumber(here or 0), tonumber(call('ZSCORE', state, id) or 0))
    if at == 0 then
      order = order + 1
      at = order
    end
    for one in pairs({in_progress = 1, pending = 1, queued = 1, closed = 1}) do
      if one ~= s.state then call('ZREM', P .. 'state:' .. one, id) end
    end
    call('ZADD', state, at, id)
    if list and is_there(s.owner.kind, s.owner.id) then
      call('ZADD', P .. list, at, id)
      recount_list(list)
      if s.owner.kind == 'agent' then change.owner = s.owner.id end
      if not here and s.state == 'in_progress' then change.assigned = s.owner.id end
      if not here and s.state == 'pending' then change.pending = s.owner.id end
    end
    for _, kind in ipairs({'session:', 'history:'}) do
      if s.state == 'closed' then
        expire(P .. kind .. id, limits.closed_ms)
      else
        call('PERSIST', P .. kind .. id)
      end
    end
  end,

  -- An agent's connections count; a node has what its agents have.
  connection = function(agent_id, connection)
    local node_id, connection_id = string.match(connection, '^(%S+) (%S+)$')
    local node = P .. 'node:' .. node_id
    if call('SISMEMBER', P .. 'connections:' .. agent_id, connection) == 1 then
      call('SADD', node, agent_id .. ' ' .. connection_id)
      mends.lease(node_id)
    else
      call('SREM', node, agent_id .. ' ' .. connection_id)
    end
  end,

  connections = function(agent_id)
    if is_there('agent', agent_id) then return end
    for _, connection in ipairs(call('SMEMBERS', P .. 'connections:' .. agent_id)) do
      local node_id, connection_id = string.match(connection, '^(%S+) (%S+)$')
      if node_id then call('SREM', P .. 'node:' .. node_id, agent_id .. ' ' .. connection_id) end
    end
    call('DEL', P .. 'connections:' .. agent_id)
  end,

  -- A node without a lease, or it would never be reaped: one that ends now, unless the node renews it.
  lease = function(node_id)
    if call('EXISTS', P .. 'node:' .. node_id) == 1 then call('ZADD', P .. 'due', 'NX', now, 'node ' .. node_id) end
  end,

  member = function(department_id, agent_id)
    local a = find_agent(agent_id)
    for _, id in ipairs(a and a.departments or {}) do
      if id == department_id then return recount('agent', agent_id) end
    end
    call('SREM', P .. 'members:' .. department_id, agent_id)
    call('ZREM', P .. 'available:' .. department_id, agent_id)
    recount('department', department_id)
  end,

  -- Told last, and not there.
  gone = function(kind, id)
    if is_there(kind, id) then return end
    if kind == 'agent' then agents_removed[#agents_removed + 1] = id else departments_removed[id] = true end
  end,

  agent = function(id)
    local a = find_agent(id)
    if not a or a.id ~= id then return end
    mend_presence(a)
    local last = call('ZRANGE', P .. 'owned:' .. id, -1, -1, 'WITHSCORES')[2]
    a.assigned = math.max(a.assigned, tonumber(last or 0))
    for _, department_id in ipairs(a.departments) do
      if find_department(department_id) then touch_department(department_id) end
      call('SADD', P .. 'members:' .. department_id, id)
    end
    pending_of(a)
    touch(a)
    -- Told in any case; and what waits for it in a queue comes in a step of its own.
    if not a.available_before and available(a) then call('ZADD', P .. 'due', 'NX', now, 'drain ' .. id) end
    a.described, a.available_before = true, true
  end,

  department = function(id)
    local row = find_department(id)
    if row and row.id == id then departments_touched[id] = 'named' end
  end,
}

redis.register_function(LIBRARY .. '_mend', function(keys, args)
  begin(keys, args)
  recounted = {}
  local outcomes = {}
  for i, mend in ipairs(request.mends) do
    local done, why = pcall(mends[mend[1]], unpack(mend, 2))
    outcomes[i] = done or tostring(type(why) == 'table' and why.err or why)
  end
  for _, owner in ipairs(recounted) do pcall(mends[owner.kind], owner.id) end
  settle()
  call('HSET', P .. 'meta', 'order', order)
  return pack({result = {outcomes = outcomes}})
end)
