--[[
How agents, sessions and entries of histories are packed and read. The loader puts this file before library.lua.

A record is a MessagePack map whose fields stand in one order, always. So a verb reads it as names and values in turns
and writes it alike: a table that Lua grows field by field, for each map inside as well, costs several times that. And
what a verb need not look into it takes over as it is, packed.
]]
local pack, decode, read -- of the server's libraries, which exist only while a function runs

-- What MessagePack puts before the fields of a map of so many, and in the place of what is not there.
local MAP_OF_3, MAP_OF_6, MAP_OF_9, MAP_OF_13, MAP_OF_16, NIL = '\131', '\134', '\137', '\141', '\222\0\16', '\192'
-- Names of packed fields, themselves packed.
local CUSTOMER, TARGET, BY, TRANSFER = '\168customer', '\166target', '\162by', '\168transfer'

-- What of an agent only `describe` changes.
local function pack_profile(id, name, role, departments, capacity)
  return pack('id', id, 'name', name, 'role', role, 'departments', departments, 'capacity', capacity)
end

-- An agent's row: its profile, what else is published, and what only the verbs need.
local function pack_agent(a, status, load, pending, available)
  return MAP_OF_13 .. a.profile .. pack('status', status, 'status_since_at', a.status_since_at, 'load', load,
    'pending', pending, 'available', available, 'chosen', a.chosen, 'present', a.present, 'assigned', a.assigned)
end

-- An agent as its row tells. Load and pending are for the lists to say; the fields that a verb may add have their
-- room from the beginning, because a table that grows is copied.
local function read_agent(record)
  local rest, _, id, _, name, _, role, _, departments, _, capacity = read(record, 10, #MAP_OF_13)
  local _, _, status, _, status_since_at, _, load, _, pending, _, available, _, chosen, _, present, last, assigned
    = read(record, 16, rest)
  if last ~= 'assigned' or string.sub(record, 1, #MAP_OF_13) ~= MAP_OF_13 then
    error('the row of agent ' .. tostring(id) .. ' is of another form')
  end
  return {id = id, name = name, role = role, departments = departments, capacity = capacity,
    profile = string.sub(record, #MAP_OF_13 + 1, rest), status = status, status_since_at = status_since_at,
    load_before = load, pending_before = pending, available_before = available, chosen = chosen, present = present,
    assigned = assigned, load = nil, pending = nil, touched = nil, record = nil}
end

-- A session; customer, target, by and transfer are packed.
local function pack_session(s)
  return MAP_OF_16 .. pack('id', s.id, 'state', s.state, 'owner', s.owner, 'fence', s.fence, 'hops', s.hops,
    'opened_at', s.opened_at, 'updated_at', s.updated_at, 'entry_count', s.entry_count, 'holder', s.holder,
    'department', s.department, 'delivered', s.delivered, 'maker', s.maker)
    .. CUSTOMER .. s.customer .. (s.rest or TARGET .. s.target .. BY .. s.by .. TRANSFER .. s.transfer)
end

local function read_session(record)
  local customer, _, id, _, state, _, owner, _, fence, _, hops, _, opened_at, _, updated_at, _, entry_count, _, holder,
    _, department, _, delivered, _, maker, last = read(record, 25, #MAP_OF_16)
  if last ~= 'customer' or string.sub(record, 1, #MAP_OF_16) ~= MAP_OF_16 then
    error('the record of session ' .. tostring(id) .. ' is of another form')
  end
  local rest = read(record, 1, customer)
  return {id = id, state = state, owner = owner, fence = fence, hops = hops, opened_at = opened_at,
    updated_at = updated_at, entry_count = entry_count, holder = holder, department = department, delivered = delivered,
    maker = maker, customer = string.sub(record, customer + 1, rest), rest = string.sub(record, rest + 1),
    target = nil, by = nil, transfer = nil, left = nil}
end

-- Take what follows the customer apart; most often it is only replaced or left as it is.
local function unfold(s)
  if s.rest then
    local by = read(s.rest, 2, 0)
    local transfer = read(s.rest, 2, by)
    s.target = string.sub(s.rest, #TARGET + 1, by)
    s.by = string.sub(s.rest, by + #BY + 1, transfer)
    s.transfer = string.sub(s.rest, transfer + #TRANSFER + 1)
    s.rest = nil
  end
  return s
end

local function pack_actor(id, name, role)
  return MAP_OF_3 .. pack('id', id, 'name', name, 'role', role)
end

-- A transfer; `by` is packed.
local function pack_transfer(id, session_id, from, to, by, reason, outcome, assigned_to, at)
  return MAP_OF_9 .. pack('id', id, 'session_id', session_id, 'from', from, 'to', to, 'reason', reason,
    'outcome', outcome, 'assigned_to', assigned_to, 'at', at) .. BY .. by
end

-- An entry of a history; `by` and `transfer` are packed.

local function pack_entry(seq, kind, at, text, by, transfer)
  return MAP_OF_6 .. pack('seq', seq, 'kind', kind, 'at', at, 'text', text) .. BY .. (by or NIL)
    .. TRANSFER .. (transfer or NIL)
end
