--[[
How agents, sessions and entries of histories are packed and read. The loader puts this file before library.lua.

A record is a MessagePack map whose fields stand in one order, always. So a command reads it as names and values in turns
and writes it alike: a table that Lua grows field by field, for each map inside as well, costs several times that. What
a command need not look into it takes over as it is, packed. And the tables made here have room for what commands add, in
sixteen fields at most: one that grows is copied, and a larger one is dear.
]]
local pack, decode, read -- of the server's libraries, which exist only while a function runs

-- How each begins: a map of so many fields, and the name of the first one.
local AGENT, SESSION, TRANSFER_OF, ENTRY, ACTOR = '\141', '\222\0\16\162id', '\137\162id', '\134\163seq', '\131\162id'
local CUSTOMER = '\130\162id'
-- A party {kind, id, name} and an owner {kind, id}, up to the id.
local PARTY = {agent = '\131\164kind\165agent\162id', department = '\131\164kind\170department\162id'}
local OWNER = {agent = '\130\164kind\165agent\162id', department = '\130\164kind\170department\162id'}
-- Names of fields that are packed already.
local FROM, TO, BY, TRANSFER, TARGET = '\164from', '\162to', '\162by', '\168transfer', '\166target'
local OWNED, OPENING = '\165owner', '\168customer'
-- Packed values.
local NIL, TRUTH = '\192', {[true] = '\195', [false] = '\194'}
local STATUS = {connected = '\169connected', pre_pause = '\169pre_pause', pause = '\165pause',
  disconnected = '\172disconnected'}

-- What of an agent only `describe` changes.
local function pack_profile(id, name, role, departments, capacity)
  return pack('id', id, 'name', name, 'role', role, 'departments', departments, 'capacity', capacity)
end

-- An agent's row: its profile, what else is published, and what only the commands need.
local function pack_agent(a, status, load, pending, available)
  return AGENT .. a.packed .. '\166status' .. STATUS[status] .. '\175status_since_at' .. pack(a.status_since_at)
    .. '\164load' .. pack(load) .. '\167pending' .. pack(pending) .. '\169available' .. TRUTH[available]
    .. '\166chosen' .. STATUS[a.chosen] .. '\167present' .. TRUTH[a.present] .. '\168assigned' .. pack(a.assigned)
end

-- An agent as its row tells, without load and pending, which are for the lists to say. `packed` is its profile, and
-- once the agent is committed its row.
local function read_agent(record)
  local rest, _, id, _, name, _, _, _, departments, _, capacity = read(record, 10, #AGENT)
  local _, _, status, _, status_since_at, _, load, _, pending, _, available, _, chosen, _, present, last, assigned
    = read(record, 16, rest)
  if last ~= 'assigned' or string.sub(record, 1, #AGENT) ~= AGENT then
    error('the row of agent ' .. tostring(id) .. ' is of another form')
  end
  return {id = id, name = name, departments = departments, capacity = capacity,
    packed = string.sub(record, #AGENT + 1, rest), status = status, status_since_at = status_since_at,
    load_before = load, pending_before = pending, available_before = available, chosen = chosen, present = present,
    assigned = assigned, load = nil, pending = nil, touched = nil}
end

local function pack_owner(kind, id)
  return OWNER[kind] .. pack(id)
end

-- A session. `opening` is its packed customer with `opened_at`; `parts` are its packed target, by and transfer, which
-- stand last, at `rest` in the record that was read.
local function pack_session(s)
  local parts = s.parts
  return SESSION .. pack(s.id, 'state', s.state, 'fence', s.fence, 'hops', s.hops, 'updated_at', s.updated_at,
    'entry_count', s.entry_count, 'holder', s.holder, 'department', s.department, 'delivered', s.delivered,
    'maker', s.maker) .. OWNED .. (s.owner and pack_owner(s.owner.kind, s.owner.id) or NIL) .. OPENING .. s.opening
    .. (parts and TARGET .. parts.target .. BY .. parts.by .. TRANSFER .. parts.transfer
      or string.sub(s.record, s.rest + 1))
end

local function read_session(record)
  local opening, id, _, state, _, fence, _, hops, _, updated_at, _, entry_count, _, holder, _, department,
    _, delivered, _, maker, _, owner, last = read(record, 22, #SESSION)
  if last ~= 'customer' or string.sub(record, 1, #SESSION) ~= SESSION then
    error('the record of session ' .. tostring(id) .. ' is of another form')
  end
  -- Behind the byte that begins the customer's map.
  local rest = read(record, 6, opening + 1)
  return {id = id, state = state, owner = owner, fence = fence, hops = hops, updated_at = updated_at,
    entry_count = entry_count, holder = holder, department = department, delivered = delivered, maker = maker,
    opening = string.sub(record, opening + 1, rest), record = record, rest = rest, parts = nil, left = nil}
end

-- What most commands only replace, or leave as it is.
local function parts_of(s)
  if not s.parts then
    local by = read(s.record, 2, s.rest)
    local transfer = read(s.record, 2, by)
    s.parts = {target = string.sub(s.record, s.rest + #TARGET + 1, by),
      by = string.sub(s.record, by + #BY + 1, transfer), transfer = string.sub(s.record, transfer + #TRANSFER + 1)}
  end
  return s.parts
end

local function pack_opening(customer, at)
  return CUSTOMER .. pack(customer.id, 'name', customer.name, 'opened_at', at)
end

local function pack_party(kind, id, name)
  return PARTY[kind] .. pack(id, 'name', name)
end

local function pack_actor(id, name, role)
  return ACTOR .. pack(id, 'name', name, 'role', role)
end

-- A transfer; `from`, `to` and `by` are packed.
local function pack_transfer(id, session_id, from, to, by, reason, outcome, assigned_to, at)
  return TRANSFER_OF .. pack(id, 'session_id', session_id, 'reason', reason, 'outcome', outcome,
    'assigned_to', assigned_to, 'at', at) .. FROM .. from .. TO .. to .. BY .. by
end

-- An entry of a history; `by` and `transfer` are packed.
local function pack_entry(seq, kind, at, text, by, transfer)
  return ENTRY .. pack(seq, 'kind', kind, 'at', at, 'text', text) .. BY .. (by or NIL) .. TRANSFER .. (transfer or NIL)
end

-- What answers most commands: joined, since packing would copy the session once more.
local function pack_answer(session)
  return '\129\166result\129\167session' .. struct.pack('>BI4', 219, #session) .. session
end
