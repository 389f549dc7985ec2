--[[
Derive lists, counts and rows from the records of sessions and the profiles of agents, a bounded part at a time. What
is lost, or cannot be read, is left alone. Nothing is swept first: what is due may be what is broken.

parts: {name, cursor} each: a key after the tenant's prefix, and where to go on in it ("0" at first). Lists come
before the rows that count them, and `meta` last: it begins another epoch, so that every node reads the directory.
Result {left}: the parts that remain to be done, in their order.
]]
local PART_MAX = 100 -- members read by one call, and sessions rebuilt by it

local function is_there(kind, id)
  return call('HEXISTS', P .. kind .. 's', id) == 1
end

local function in_list(s, name)
  return 'state:' .. s.state == name or (s.owner and LIST[s.state] .. s.owner.id == name)
end

local function expire(key, ms)
  if call('PTTL', key) == -1 then call('PEXPIRE', key, ms) end
end

local function rebuild_presence(a)
  local presence, sessions = 'presence ' .. a.id, 'sessions ' .. a.id
  if call('SCARD', P .. 'connections:' .. a.id) > 0 then
    a.present = true
    due_remove(presence, sessions)
  elseif a.present then
    -- As if its last connection had dropped now.
    call('ZADD', P .. 'due', 'NX', now + limits.presence_grace_ms, presence)
    call('ZADD', P .. 'due', 'NX', now + limits.session_grace_ms, sessions)
  else
    due_remove(presence)
  end
end

-- A node without a lease would never be reaped: it gets one that ends now, unless the node renews it.
local function require_lease(node_id)
  if call('EXISTS', P .. 'node:' .. node_id) == 1 then call('ZADD', P .. 'due', 'NX', now, 'node ' .. node_id) end
end

-- A session is where its record says. Of two places in the order the later one, so that it overtakes none by
-- mistake; one that no list knows any more is the last.
local function rebuild_session(id)
  local s = find_session(id)
  if not s or s.id ~= id then return end
  local list, state = s.owner and LIST[s.state] .. s.owner.id, P .. 'state:' .. s.state
  local at = math.max(tonumber(list and call('ZSCORE', P .. list, id) or 0), tonumber(call('ZSCORE', state, id) or 0))
  if at == 0 then
    order = order + 1
    at = order
  end
  for one in pairs(STATES) do
    if one ~= s.state then call('ZREM', P .. 'state:' .. one, id) end
  end
  call('ZADD', state, at, id)
  if list and is_there(s.owner.kind, s.owner.id) then call('ZADD', P .. list, at, id) end
  for _, kind in ipairs({'session:', 'history:'}) do
    if s.state == 'closed' then
      expire(P .. kind .. id, limits.closed_ms)
    else
      call('PERSIST', P .. kind .. id)
    end
  end
end

local function rebuild_agent(id)
  local a = find_agent(id)
  if not a or a.id ~= id then return end
  rebuild_presence(a)
  local last = call('ZRANGE', P .. 'owned:' .. id, -1, -1, 'WITHSCORES')[2]
  a.assigned = math.max(a.assigned, tonumber(last or 0))
  for _, department_id in ipairs(a.departments) do call('SADD', P .. 'members:' .. department_id, id) end
  pending_of(a)
  touch(a)
  -- What waits for it in a queue comes in a step of its own.
  if not a.available_before and available(a) then call('ZADD', P .. 'due', 'NX', now, 'drain ' .. id) end
  a.available_before = true
end

local function rebuild_department(id)
  local row = find_department(id)
  if row and row.id == id then touch_department(id) end
end

local function rebuild_entry(name, id, position)
  local s = find_session(id)
  if not (s and in_list(s, name)) then call('ZREM', P .. name, id) end
  -- No later place is given out again.
  if tonumber(position) < ORDER_STEPS then order = math.max(order, tonumber(position)) end
end

local function rebuild_member(name, agent_id)
  local a, department_id = find_agent(agent_id), string.match(name, ':(.+)$')
  for _, id in ipairs(a and a.departments or {}) do
    if id == department_id and (a.available_before or string.sub(name, 1, 8) == 'members:') then return end
  end
  call(string.sub(name, 1, 8) == 'members:' and 'SREM' or 'ZREM', P .. name, agent_id)
end

-- An agent's connections count; a node has what its agents have.
local function rebuild_connection(name, connection)
  local agent_id = string.match(name, ':(.+)$')
  local node_id, connection_id = string.match(connection, '^(%S+) (%S+)$')
  if not node_id then return end
  if is_there('agent', agent_id) then
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

local function rebuild_due(_, what)
  local kind, agent_id = string.match(what, '^(%S+) (%S+)$')
  if kind and kind ~= 'node' and not is_there('agent', agent_id) then due_remove(what) end
end

-- How the members of a key are read, with how many words each, and what is done with one.
local ENTRIES = {scan = 'ZSCAN', words = 2, rebuild = rebuild_entry}
local MEMBERS = {
  owned = ENTRIES, pending = ENTRIES, queue = ENTRIES, state = ENTRIES,
  members = {scan = 'SSCAN', words = 1, rebuild = rebuild_member},
  available = {scan = 'ZSCAN', words = 2, rebuild = rebuild_member},
  connections = {scan = 'SSCAN', words = 1, rebuild = rebuild_connection},
  node = {scan = 'SSCAN', words = 1, rebuild = rebuild_node},
  due = {scan = 'ZSCAN', words = 2, rebuild = rebuild_due},
  agents = {scan = 'HSCAN', words = 2, rebuild = function(_, id) rebuild_agent(id) end},
  departments = {scan = 'HSCAN', words = 2, rebuild = function(_, id) rebuild_department(id) end},
}

-- Rebuild one part; return what it cost, and where to go on in it. What cannot be read costs itself only.
local function rebuild_part(name, cursor)
  local kind, id = string.match(name, '^(%a+):?(.*)$')
  if kind == 'session' then
    pcall(rebuild_session, id)
  elseif kind == 'key' then
    pcall(expire, P .. name, limits.key_ms)
  elseif name == 'meta' then
    begin_epoch()
  elseif MEMBERS[kind] then
    local members = MEMBERS[kind]
    local read, page = pcall(call, members.scan, P .. name, cursor, 'COUNT', PART_MAX)
    if not read then return 1 end
    for i = 1, #page[2], members.words do pcall(members.rebuild, name, page[2][i], page[2][i + 1]) end
    return 1 + #page[2] / members.words, page[1] ~= '0' and page[1]
  end
  return 1
end

redis.register_function(LIBRARY .. '_rebuild', function(keys, args)
  begin(keys, args)
  local left, spent = {}, 0
  for i, part in ipairs(request.parts) do
    if spent < PART_MAX then
      local cost, cursor = rebuild_part(part[1], part[2])
      spent = spent + cost
      if cursor then left[#left + 1] = {part[1], cursor} end
    else
      left[#left + 1] = part
    end
  end
  commit()
  call('HSET', P .. 'meta', 'order', order)
  return pack({result = {left = left}})
end)
