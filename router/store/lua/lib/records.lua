--[[
The shapes of what is kept, field by field: the one place that knows where each field stands. `router/store/records.py`
reads the same shapes.

A record is a MessagePack array whose first element is the number of its schema. A reader takes the fields that it
knows by their place: what a newer release has added behind them is passed over, and what an older one has not written
gets a default. What is of a schema that is not READABLE, or no record at all, is read as nothing (see `set_aside`).

To add a field to a tenant, an agent, a department, a session, an entry or a transfer: read it as `x.extra.NAME`, nil
where it is unset, and change it with `set_extra(x, 'NAME', value)`; for routers, add it with its default to the class
`...Extra` in records.py. Extra fields are a map in the record, one byte where there are none. No schema grows for one:
a release rewrites the extra fields that it does not know as it read them. A value is a text, a number, true, or a list or
map of these; what is false, zero or empty is unset. An agent's are told with its row. A field that nearly every record
has is worth a place, which costs a third of what it costs in a map; once a schema is released, a place takes a new one.
]]
local SCHEMA, READABLE = 1, {[1] = true}
-- In which schema this call writes: the tenant's. A field of a newer one is written only where this is as new. Below 128,
-- its number is the byte that it is packed as.
local schema

-- Of the server's libraries, which exist only while a function runs: `bind` takes them at the first call.
local call, pack, decode, read, byte, char, sub, join, floor, next, pcall, type
local NIL, EMPTY_LIST, NOTHING = '\192', '\144', '\128' -- packed: nil, a list and a map without anything in it

local function bind()
  call, pack, decode, read = redis.call, cmsgpack.pack, cmsgpack.unpack, cmsgpack.unpack_limit
  byte, char, sub, join, floor = string.byte, string.char, string.sub, table.concat, math.floor
  next, pcall, type = _G.next, _G.pcall, _G.type
end

-- The head of an array of so many elements.
local function array(count)
  return count < 16 and char(144 + count) or struct.pack('>BI2', 220, count)
end

local function pack_list(packed)
  return packed[1] and array(#packed) .. join(packed) or EMPTY_LIST
end

local function pack_ids(ids)
  return ids[1] and pack(ids) or EMPTY_LIST
end

-- Where the first field of a record stands; fails where it is none.
local function first_field(record)
  local first = byte(record)
  if first == 220 then return 3 end
  if first < 144 or first > 159 then error('no array') end
  return 1
end

-- What a function makes of a record; nil where it fails, as the record is none, or a field of it is not what it should be.
local function attempt(make, record)
  local ok, made = pcall(make, record)
  return ok and made or nil
end

-- Lists of ids inside a record are one text with a space before and behind each, as no id has one.
local function text_of(ids)
  return ids[1] and ' ' .. table.concat(ids, ' ') .. ' ' or ' '
end

local function ids_of(text)
  return string.gmatch(text, '%S+')
end

local function has_id(text, id)
  return string.find(text, ' ' .. id .. ' ', 1, true)
end

local function without_id(text, id)
  local first, last = has_id(text, id)
  return first and string.sub(text, 1, first) .. string.sub(text, last + 1) or text
end

-- Extra fields: see above. ------------------------------------------------------------------------------------

local NO_EXTRA = {} -- of every record that has none; never written to

local function set_extra(x, name, value)
  if x.extra == NO_EXTRA then x.extra = {} end
  x.extra[name], x.unchanged = value, nil
end

-- The extra fields that were read; fails where they are no map.
local function extra_from(map)
  if map == nil then return NO_EXTRA end
  next(map)
  return map
end

local function pack_extra(extra)
  return next(extra) == nil and NIL or pack(extra)
end

-- The tenant: where its feed and its order are, and when the next thing is due. --------------------------------

-- `ring` is how many events are kept: it holds for an epoch, whatever the routers are set to. `unchanged` are the fields
-- after the fourth as they are packed, until one of them changes.
local function pack_meta(m)
  local unchanged = m.unchanged or pack(m.epoch, m.run, m.ring, m.key_generation, m.before) .. pack_extra(m.extra)
  return '\154' .. pack(m.schema, m.seq, m.order, m.due_at) .. unchanged
end

local read_meta
do

-- Of a schema that is not READABLE only its number is known.
local function meta_in(record)
  local changes, schema, seq, order, due_at = read(record, 4, first_field(record))
  if not READABLE[schema] then return {schema = schema + 0} end
  local last, epoch, run, ring, key_generation, before, extra = read(record, 6, changes)
  return {schema = schema, seq = seq + 0, order = order + 0, due_at = due_at + 0, epoch = epoch, run = run, ring = ring + 0,
    key_generation = key_generation or 0, before = before or '', extra = extra_from(extra),
    unchanged = last == -1 and sub(record, changes + 1) or nil}
end

function read_meta(record)
  return attempt(meta_in, record)
end

end

-- An agent: the first thirteen fields are its row, as events tell it; the others are for the commands only. --------

local pack_agent, read_agent, is_full
do

local ROW_FIELDS, AGENT_FIELDS = '\157', '\220\0\19' -- heads of arrays of 13 and 19

-- Return the record, and the row.
function pack_agent(a)
  local row = char(schema) .. (a.unchanged or pack(a.id, a.name, a.role, a.departments, a.capacity))
    .. pack(a.status, a.status_since_at, a.load, a.pending, a.available, a.answered_at) .. pack_extra(a.extra)
  return AGENT_FIELDS .. row .. pack(a.chosen, a.present, a.assigned, a.owned, a.assigned_at, a.profile_at), ROW_FIELDS .. row
end

local function agent_in(record)
  local first = first_field(record)
  local described, schema, id, name, role, departments, capacity = read(record, 6, first)
  local _, status, status_since_at, load, pending, available, answered_at, extra, chosen, present, assigned, owned,
    assigned_at, profile_at = read(record, 13, described)
  if not READABLE[schema] or #name == 0 or #departments == 0 then return end
  if owned == nil then owned = ' ' end
  return {id = id, name = name, role = role, departments = departments, capacity = capacity + 0, status = status,
    status_since_at = status_since_at, load = load + 0, pending = pending + 0, available = available,
    answered_at = answered_at, extra = extra_from(extra), chosen = chosen or 'connected', present = present or false, assigned = assigned or 0,
    owned = owned, assigned_at = assigned_at, profile_at = profile_at, load_before = load, pending_before = pending, available_before = available, status_before = status,
    unchanged = sub(record, first + 2, described)}
end

-- `owned` are the ids of its sessions in progress, oldest first; false where they stand in a list of their own.
-- `assigned_at` is when it was assigned a session last, `profile_at` when it was described otherwise last; nil where that is
-- not known, as an older release has written it.
-- `unchanged` are the second to the sixth field as they are packed, until `describe` changes one of them.
function read_agent(record)
  return attempt(agent_in, record)
end

-- Whether an agent is connected and has no room: all that is asked of one that stands in no list of who is available.
local function full_in(record)
  local _, status, _, _, _, is_available = read(record, 5, (read(record, 6, first_field(record))))
  return status == 'connected' and not is_available
end

function is_full(record)
  return attempt(full_in, record)
end

end

local function pack_department(row)
  return '\151' .. pack(schema, row.id, row.name, row.agents, row.available, row.queued) .. pack_extra(row.extra)
end

local read_department
do

local function department_in(record)
  local _, schema, id, name, agents, available, queued, extra = read(record, 7, first_field(record))
  if not READABLE[schema] or #id == 0 or #name == 0 then return end
  return {id = id, name = name, agents = agents or 0, available = available or 0, queued = queued or 0,
    extra = extra_from(extra)}
end

function read_department(record)
  return attempt(department_in, record)
end

end

--[[
A session is a log: each record says what happened, and in its head how the session is since then. So the last record
is the session, one record is what is kept, told and answered, and what changes no owner (a note, a message) reads and
writes no agent.

Of the transfer the head says only in which record of the log it stands (`transfer_at`): a note need not repeat it.
`placed_at` is the record of the last change of owner; `index` that of this one. `entry_count` counts the entries of
the history up to this record's last: a transfer with a reason is two, of which the second is the reason.
]]
local SESSION_FIELDS = '\220\0\31' -- the head of an array of 31

local function pack_head(s)
  return SESSION_FIELDS .. pack(schema, s.id, s.state, s.owner_id, s.fence, s.hops, s.opened_at, s.updated_at,
    s.customer_id, s.customer_name, s.order, s.holder, s.department, s.delivered, s.target_kind, s.target_id, s.sender,
    s.index, s.placed_at, s.transfer_at, s.entry_count, s.answered_at) .. pack_extra(s.extra)
end

local function pack_entry(kind, at, text, by, extra)
  return pack(kind, at, text, by and by.id, by and by.name, by and by.role) .. pack_extra(extra)
end

-- `from` is nil, or a party like `to`: {kind, id, name}.
local function pack_transfer(t)
  local from, to, by = t.from, t.to, t.by
  return '\159' .. pack(t.id, from and from.kind, from and from.id, from and from.name, to.kind, to.id, to.name, by.id,
    by.name, by.role, t.reason, t.outcome, t.assigned_to, t.at) .. pack_extra(t.extra)
end

local OWNER_KIND = {in_progress = 'agent', pending = 'agent', queued = 'department'}

local read_session
do

local function session_in(record)
  local rest, schema, id, state, owner_id, fence, hops, opened_at, updated_at, customer_id, customer_name, order,
    holder, department, delivered, target_kind, target_id, sender, index, placed_at, transfer_at, entry_count,
    answered_at, extra = read(record, 23, first_field(record))
  if not READABLE[schema] or state ~= 'closed' and #owner_id == 0 then return end
  return {schema = schema, id = id, state = state, owner_id = owner_id, owner_kind = OWNER_KIND[state], fence = fence + 0, hops = hops,
    opened_at = opened_at, updated_at = updated_at, customer_id = customer_id, customer_name = customer_name,
    order = order, holder = holder, department = department, routed = department, delivered = delivered, target_kind = target_kind,
    target_id = target_id, sender = sender, index = index, placed_at = placed_at, transfer_at = transfer_at,
    entry_count = entry_count + 0, answered_at = answered_at, extra = extra_from(extra), record = record, rest = rest}
end

function read_session(record)
  return attempt(session_in, record)
end

end

-- The same session with another head, where nothing has happened.
local function replace_head(s)
  return pack_head(s) .. sub(s.record, s.rest + 1)
end

-- The author of a record; nil for the system.
local function author_in(record)
  local fields = decode(record)
  local id = fields[27]
  return id and {id = id, name = fields[28], role = fields[29]}
end

-- The decision that a record holds, and when it was made; nil for none.
local function decision_in(record)
  local fields = decode(record)
  local extra = fields[30]
  return extra and extra.decision or nil, fields[25]
end

-- The transfer that a record holds, packed; nil for none.
local function packed_transfer_in(record)
  local start = read(record, 30, first_field(record))
  local after, transfer = read(record, 1, start)
  return transfer and sub(record, start + 1, after == -1 and #record or after)
end

local function read_transfer(packed)
  local f = decode(packed)
  return {id = f[1], from = f[2] and {kind = f[2], id = f[3], name = f[4]}, to = {kind = f[5], id = f[6], name = f[7]},
    by = {id = f[8], name = f[9], role = f[10]}, reason = f[11], outcome = f[12], assigned_to = f[13], at = f[14],
    extra = f[15] or NO_EXTRA}
end

--[[
An event, and what it says of a session: `what` happened ('placed' with another owner, 'written' into the history,
'delivered', 'answered', 'updated', 'stayed' past a deadline), which agent has it no more and why, the notice to its sender (and, where another transfer takes the place
of the sender's, whose transfer and which), the transfer where the record does not hold it, and the record.
]]
local function pack_change(change)
  return '\152' .. pack(change.what, change.left, change.why, change.told, change.superseded_sender)
    .. (change.superseded or NIL) .. (change.transfer or NIL) .. change.record
end

local function pack_event(m, at, rows, departments, agents_removed, departments_removed, changes, rule, notices,
    replaced)
  if replaced then notices = notices or EMPTY_LIST end
  local head = replaced and '\156' or notices and '\155' or rule and '\154' or '\153'
  return head .. pack(m.schema, m.epoch, m.seq, at) .. pack_list(rows) .. pack_list(departments)
    .. pack_ids(agents_removed) .. pack_ids(departments_removed) .. pack_list(changes)
    .. (rule or notices and NIL or '') .. (notices or '') .. (replaced or '')
end

-- A session as commands answer it: its record, and its transfer where that stands in another record.
local function pack_view(record, transfer)
  return '\146' .. record .. (transfer or NIL)
end
