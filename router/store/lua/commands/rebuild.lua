--[[
Derive lists, counts and rows from the records of sessions and the profiles of agents, a bounded part at a time. What
is lost, or cannot be read, is left where it is. Nothing is swept first: what is due may be what is broken.

parts: {name, cursor} each: a key after the tenant's prefix, and where to go on in it ("0" at first). Lists come before
the rows that count them, and `epoch` last: it begins one, so that every node reads the directory.
Result {left}: the parts that remain to be done, in their order.
]]
local PART_MAX = 100 -- members read by one call, and sessions rebuilt by it

local function is_there(kind, id)
  return call('HEXISTS', P .. 'tenant', kind .. id) == 1
end

local function expire(key, ms)
  if call('PTTL', key) == -1 then call('PEXPIRE', key, ms) end
end

-- Have something done, and by then at the latest.
local function due_at_latest(at, what)
  call('ZADD', P .. 'due', 'NX', at, what)
  due_at(at)
end

local function rebuild_presence(a)
  local presence, sessions = 'presence ' .. a.id, 'sessions ' .. a.id
  if call('SCARD', P .. 'connections:' .. a.id) > 0 then
    a.present = true
    due_remove(presence, sessions)
  elseif a.present then
    -- As if its last connection had dropped now.
    due_at_latest(now + limits.presence_grace_ms, presence)
    due_at_latest(now + limits.session_grace_ms, sessions)
  else
    due_remove(presence)
  end
end

-- A node without a lease would never be reaped: it gets one that ends now, unless the node renews it.
local function require_lease(node_id)
  if call('EXISTS', P .. 'node:' .. node_id) == 1 then due_at_latest(now, 'node ' .. node_id) end
end

-- Put a session into a list by which it is found, unless it is there.
local function relist_at(list, s)
  call('ZADD', P .. list, 'NX', s.order, s.id)
  if s.state == 'closed' then expire(P .. list, limits.closed_ms) end
end

-- The agents that had a session in progress, by the last records of its log.
local function rebuild_had(s)
  local before
  for _, record in ipairs(call('LRANGE', P .. 'session:' .. s.id, -PART_MAX, -1)) do
    local at = read_session(record)
    if before and at and before.state == 'in_progress' and before.order ~= at.order and is_there('a', before.owner_id) then
      call('ZADD', P .. 'had:' .. before.owner_id, 'GT', at.order, s.id)
    end
    before = at or before
  end
end

-- A session is where its record says, at the place in the order that it says.
local function rebuild_session(id)
  local s = find_session(id)
  if not s then return end
  meta.order = math.max(meta.order, s.order)
  local state = P .. 'state:' .. s.state
  for _, one in ipairs(STATES) do
    if one ~= s.state then call('ZREM', P .. 'state:' .. one, id) end
  end
  local at = tonumber(call('ZSCORE', state, id) or ORDER_STEPS)
  if at > s.order then call('ZADD', state, s.order, id) end
  if LIST[s.state] and is_there(s.state == 'queued' and 'd' or 'a', s.owner_id) then
    call('ZADD', P .. LIST[s.state] .. s.owner_id, s.state == 'queued' and age_of(s) or s.order, id)
  elseif s.state == 'in_progress' then
    local a = find_agent(s.owner_id)
    if a and (a.owned and not has_id(a.owned, id) or not a.owned and not call('ZSCORE', P .. 'owned:' .. a.id, id)) then
      own(a, id, s.order)
    end
  end
  relist_at('customer:' .. (s.state == 'closed' and 'closed:' or 'open:') .. s.customer_id, s)
  if s.department and s.state ~= 'queued' then relist_at('routed:' .. s.state .. ':' .. s.department, s) end
  rebuild_had(s)
  if s.extra.due_at then due_add(s.extra.due_at, 'session ' .. id) end
  if s.state == 'closed' then expire(P .. 'session:' .. id, limits.closed_ms) else call('PERSIST', P .. 'session:' .. id) end
end

-- What an agent has in progress, by the records of the sessions, oldest first.
local function rebuild_owned(a)
  if not a.owned then
    a.load = call('ZCARD', P .. 'owned:' .. a.id)
    return
  end
  local held, ids = {}, {}
  for id in ids_of(a.owned) do
    local s = find_session(id)
    if s and s.state == 'in_progress' and s.owner_id == a.id then held[#held + 1] = s end
  end
  table.sort(held, function(one, other) return one.order < other.order end)
  for i, s in ipairs(held) do ids[i] = s.id end
  a.owned, a.load = text_of(ids), #ids
  if held[1] then a.assigned = math.max(a.assigned, held[#held].order) end
end

local function rebuild_agent(id)
  local a = find_agent(id)
  if not a then return end
  call('SADD', P .. 'agents', id)
  rebuild_presence(a)
  rebuild_owned(a)
  a.pending = call('ZCARD', P .. 'pending:' .. id)
  for department_id in ids_of(a.departments) do call('SADD', P .. 'members:' .. department_id, id) end
  touch(a)
  -- What waits for it in a queue comes in a step of its own.
  if not a.available_before and available(a) then due_at_latest(now, 'drain ' .. id) end
  a.available_before = true
end

local function rebuild_row(_, field)
  local kind, id = string.match(field, '^([ad])(.+)$')
  if kind == 'a' then rebuild_agent(id) end
  if kind == 'd' then call('SADD', P .. 'departments', id) end
end

local function rebuild_id(name, id)
  if not is_there(string.sub(name, 1, 1), id) then
    call('SREM', P .. name, id)
  elseif name == 'departments' then
    touch_department(id)
  end
end

local function rebuild_entry(name, id, position)
  local s = find_session(id)
  local kind, owner_id = string.match(name, '^(%a+):(.+)$')
  -- No later place is given out again.
  if tonumber(position) < ORDER_STEPS then meta.order = math.max(meta.order, tonumber(position)) end
  local belongs = s and (kind == 'state' and s.state == owner_id or LIST[s.state] and LIST[s.state] .. s.owner_id == name
    or kind == 'owned' and s.state == 'in_progress' and s.owner_id == owner_id)
  if belongs then return end
  local a = kind == 'owned' and find_agent(owner_id)
  if a then disown(a, id) else call('ZREM', P .. name, id) end
end

local function rebuild_member(name, agent_id)
  local kind, department_id = string.match(name, '^(%a+):(.+)$')
  local a = find_agent(agent_id)
  local belongs = a and has_id(a.departments, department_id)
  if kind == 'members' and not belongs then call('SREM', P .. name, agent_id) end
  if kind == 'available' and not (belongs and a.available) then call('ZREM', P .. name, agent_id) end
end

-- An agent's connections count; a node has what its agents have.
local function rebuild_connection(name, connection)
  local agent_id = string.match(name, ':(.+)$')
  local node_id, connection_id = string.match(connection, '^(%S+) (%S+)$')
  if not node_id then return end
  if is_there('a', agent_id) then
    call('SADD', P .. 'node:' .. node_id, agent_id .. ' ' .. connection_id)
    require_lease(node_id)
  else
    call('SREM', P .. 'node:' .. node_id, agent_id .. ' ' .. connection_id)
    call('SREM', P .. name, connection)
  end
end

local function rebuild_node(name, connection)
  local agent_id, connection_id = string.match(connection, '^(%S+) (%S+)$')
  local node_id = string.match(name, ':(.+)$')
  if agent_id and call('SISMEMBER', P .. 'connections:' .. agent_id, node_id .. ' ' .. connection_id) == 0 then
    call('SREM', P .. name, connection)
  end
  require_lease(node_id)
end

local function rebuild_due(_, what, at)
  local kind, id = string.match(what, '^(%S+) (%S+)$')
  if not sweeps[kind] then
    set_aside('due ' .. what, at, 'no such thing can be done')
    due_remove(what)
  elseif kind == 'session' then
    local s = find_session(id)
    if not s or not s.extra.due_at then due_remove(what) end
  elseif kind ~= 'node' and kind ~= 'leave' and kind ~= 'migrate' and not is_there('a', id) then
    due_remove(what)
  end
  due_at(tonumber(at))
end

-- A list by which sessions are found: what does not belong there, or is of an earlier session of that id, is taken out.
local function rebuild_listed(name, id, position)
  local s = find_session(id)
  local kind, which, of = string.match(name, '^(%a+):([^:]+):?(.*)$')
  local belongs = s and (kind == 'customer' and s.customer_id == of and (which == 'closed') == (s.state == 'closed')
    or kind == 'routed' and s.department == of and which == s.state
    or kind == 'had' and tonumber(position) > birth_of(s))
  if not belongs then call('ZREM', P .. name, id) end
end

-- How the members of a key are read, with how many words each, and what is done with one.
local ENTRIES = {scan = 'ZSCAN', words = 2, rebuild = rebuild_entry}
local LISTED = {scan = 'ZSCAN', words = 2, rebuild = rebuild_listed}
local MEMBERS = {
  owned = ENTRIES, pending = ENTRIES, queue = ENTRIES, state = ENTRIES,
  customer = LISTED, routed = LISTED, had = LISTED,
  members = {scan = 'SSCAN', words = 1, rebuild = rebuild_member},
  available = {scan = 'ZSCAN', words = 2, rebuild = rebuild_member},
  connections = {scan = 'SSCAN', words = 1, rebuild = rebuild_connection},
  node = {scan = 'SSCAN', words = 1, rebuild = rebuild_node},
  due = {scan = 'ZSCAN', words = 2, rebuild = rebuild_due},
  tenant = {scan = 'HSCAN', words = 2, rebuild = rebuild_row},
  agents = {scan = 'SSCAN', words = 1, rebuild = rebuild_id},
  departments = {scan = 'SSCAN', words = 1, rebuild = rebuild_id},
}

-- Rebuild one part; return what it cost, and where to go on in it. What cannot be read costs itself only.
local function rebuild_part(name, cursor)
  local kind, id = string.match(name, '^(%a+):?(.*)$')
  if kind == 'session' then
    pcall(rebuild_session, id)
  elseif kind == 'keys' then
    pcall(expire, P .. name, 2 * limits.key_ms)
  elseif name == 'epoch' then
    begin_epoch()
  elseif MEMBERS[kind] then
    local members = MEMBERS[kind]
    local is_read, page = pcall(call, members.scan, P .. name, cursor, 'COUNT', PART_MAX)
    if not is_read then return 1 end
    for i = 1, #page[2], members.words do pcall(members.rebuild, name, page[2][i], page[2][i + 1]) end
    return 1 + #page[2] / members.words, page[1] ~= '0' and page[1]
  end
  return 1
end

redis.register_function(LIBRARY .. '_rebuild', function(keys, args)
  local newer = begin(keys, args)
  if newer then return pack(newer) end
  local left, spent = {}, 0
  for _, part in ipairs(request.parts) do
    if spent < PART_MAX then
      local cost, cursor = rebuild_part(part[1], part[2])
      spent = spent + cost
      if cursor then left[#left + 1] = {part[1], cursor} end
    else
      left[#left + 1] = part
    end
  end
  meta_changed = true
  commit()
  return reply_of(result('left', pack(left)))
end)
