--[[
Sessions: which callers may change one, where it goes, and the one place where its owner changes.
]]
local LIST = {pending = 'pending:', queued = 'queue:'}
local OUTCOME = {in_progress = 'assigned', pending = 'pending', queued = 'queued'}

-- nil where there is none, false where it cannot be read.
local function find_session(id)
  local record = redis.pcall('LINDEX', P .. 'session:' .. id, -1)
  if not record then return end
  local s = type(record) == 'string' and read_session(record)
  if s and s.id == id then return s end
  set_aside('session ' .. id, type(record) == 'table' and record.err or record, 'the record cannot be read')
  return false
end

-- The transfer of a session, packed; nil where it has none. It may stand in an earlier record of its log.
local function transfer_of(s)
  if s.transfer_at < 0 then return end
  if s.transfer_at == s.index then return packed_transfer_in(s.record) end
  local record = call('LINDEX', P .. 'session:' .. s.id, s.transfer_at)
  return record and packed_transfer_in(record)
end

local function view_of(s)
  return pack_view(s.record, s.transfer_at ~= s.index and transfer_of(s) or nil)
end

-- The first record that holds entries after `seq`. A record is one entry or two, so it is no later than that number.
local function first_record_after(key, seq, last)
  local first = 0
  last = math.min(last, seq)
  while first < last do
    local middle = math.floor((first + last) / 2)
    local s = read_session(call('LINDEX', key, middle))
    if s and s.entry_count > seq then last = middle else first = middle + 1 end
  end
  return first
end

-- Sessions as commands answer them; what is lost, or cannot be read, is left out.
local function views_of(ids)
  local views = {}
  for _, id in ipairs(ids) do
    local s = find_session(id)
    if s then views[#views + 1] = view_of(s) end
  end
  return views
end

-- What needs a record that cannot be read is a defect, and only that.
local function fail_unreadable(id)
  error({rejected = 'unreadable', details = {record = 'session ' .. id}})
end

local function conflict(s)
  local record = call('LINDEX', P .. 'session:' .. s.id, s.placed_at)
  local author = record and author_in(record) or cjson.null
  local owner = s.owner_id and {kind = s.owner_kind, id = s.owner_id} or cjson.null
  reject('conflict', {fence = s.fence, state = s.state, owner = owner, by = author, at = s.updated_at})
end

local function owns(s)
  return s.owner_kind == 'agent' and s.owner_id == request.by.id and request.by.role ~= 'service'
end

local function require_session()
  local id = request.session_id
  local s = find_session(id)
  if s == false then fail_unreadable(id) end
  return s or reject('not_found', {session_id = id})
end

-- The session of a request that changes it: it is there, open, and at the caller's fence.
local function session_to_change()
  local s = require_session()
  if s.state == 'closed' then reject('closed') end
  if request.fence and request.fence ~= s.fence then conflict(s) end
  return s
end

-- A history is never shortened; a session that was sent about without end can still be taken, and closed.
local function require_room_to_write(s)
  require_space('history', s.entry_count, 1)
end

local function require_owner(s)
  if request.by.role == 'agent' and not owns(s) then reject('forbidden') end
end

-- The owner reads a session, and an agent that had it in progress before.
local function require_reader(s)
  if request.by.role == 'agent' and not owns(s) and not had(s, request.by.id) then reject('forbidden') end
end

local function is_member(department_id, agent_id)
  return call('SISMEMBER', P .. 'members:' .. department_id, agent_id) == 1
end

-- A target of the session finds it moved on (conflict); to others it was never theirs (forbidden).
local function reject_moved_on(s)
  local id = request.by.id
  local mine = owns(s) or request.by.role == 'admin' or (s.target_kind == 'agent' and s.target_id == id)
    or (s.target_kind == 'department' and is_member(s.target_id, id))
  if mine then conflict(s) end
  reject('forbidden')
end

local function find_party(kind, id)
  local party
  if kind == 'agent' then party = find_agent(id) else party = find_department(id) end
  if not party then reject('not_found', {[kind .. '_id'] = id}) end
  return {kind = kind, id = id, name = party.name}
end

-- A back end is kept apart from an agent of the same id.
local function sender_of(claims)
  return claims.role == 'service' and 'service ' .. claims.id or claims.id
end

-- The present owner did something with a session in progress. Return whether that is the first thing.
local function answer(s)
  if s.state ~= 'in_progress' or s.answered_at then return false end
  s.answered_at = now
  if s.extra.tried then set_extra(s, 'tried', nil) end
  local a = find_agent(s.owner_id)
  if a and (a.answered_at ~= now or a.extra.missed) then
    touch(a)
    a.described, a.answered_at = true, now
    if a.extra.missed then set_extra(a, 'missed', nil) end
    -- What it was tried with before may come to it now.
    a.is_back = meta.extra.settings ~= nil
  end
  return true
end

-- The department of a session, if it is there still.
local function department_of(s)
  return s.department and find_department(s.department) and s.department or nil
end

-- A session has one deadline at most: where it is placed it gets another, and an answer ends it.
local set_deadline
do

-- When the system moves a session on that is placed now; nil for never.
local function deadline_of(s)
  if not meta.extra.settings or s.answered_at then return end
  local ms = 0
  if s.state == 'in_progress' then ms = setting('answer_ms', s.department) end
  if s.state == 'pending' then ms = setting('pending_ms', s.department) end
  return ms > 0 and now + ms or nil
end

function set_deadline(s, is_placed)
  local at = is_placed and deadline_of(s) or nil
  if at == s.extra.due_at then return end
  if at then due_add(at, 'session ' .. s.id) else due_remove('session ' .. s.id) end
  set_extra(s, 'due_at', at)
end

end

-- Bring a session into a department, or out of all with nil: its age counts from its next move on. Out of all, it keeps
-- the last one and its age there, to be given back.
local function enter_department(s, department)
  local former = s.extra.former
  if department then former = nil elseif s.department then former = {s.department, age_of(s)} end
  if former ~= s.extra.former then set_extra(s, 'former', former) end
  s.department, s.enters = department, true
end

local move_session
do

local function leave_owner(s)
  if s.state == 'queued' then
    call('ZREM', P .. 'queue:' .. s.owner_id, s.id)
    touch_department(s.owner_id, true)
    return
  end
  local a = find_agent(s.owner_id)
  if s.state == 'pending' then
    local left = call('ZREM', P .. 'pending:' .. s.owner_id, s.id)
    if a then
      touch(a)
      a.pending = a.pending - left
    end
  elseif a then
    disown(a, s.id)
  end
end

local function join_owner(s)
  if s.state == 'queued' then
    call('ZADD', P .. 'queue:' .. s.owner_id, age_of(s), s.id)
    touch_department(s.owner_id, true)
    return
  end
  local a = find_agent(s.owner_id)
  if s.state == 'pending' then
    a.pending = a.pending + call('ZADD', P .. 'pending:' .. s.owner_id, s.order, s.id)
    touch(a)
  else
    own(a, s.id, s.order)
    a.assigned, a.assigned_at = s.order, now
  end
end

-- Move a session to another state and owner: the one place where ownership changes and the fence grows.
function move_session(s, state, owner_id)
  s.left = s.owner_kind == 'agent' and s.owner_id or nil
  local stays = OWNER_KIND[state] == 'agent' and s.owner_id == owner_id
  if s.state == 'in_progress' and not stays then s.holder = s.owner_id end
  note_try(s, owner_id)
  s.answered_at = nil
  if s.extra.lost ~= s.lost_by then set_extra(s, 'lost', s.lost_by) end
  if s.enters then
    if s.extra.since then set_extra(s, 'since', nil) end
  elseif owner_id and s.department and not s.extra.since then
    set_extra(s, 'since', s.order)
  end
  if s.owner_id then leave_owner(s) end
  meta.order = meta.order + 1
  relist(s, state)
  if s.state ~= state then
    call('ZREM', P .. 'state:' .. s.state, s.id)
    call('ZADD', P .. 'state:' .. state, meta.order, s.id)
  end
  s.state, s.owner_id, s.owner_kind, s.order = state, owner_id, OWNER_KIND[state], meta.order
  s.fence, s.updated_at, s.delivered = s.fence + 1, now, false
  if owner_id then join_owner(s) end
end

end

-- Move a session on without its owner, who may never have answered it: only who did has had it.
local function move_on(s, state, owner_id)
  local holder = s.state == 'in_progress' and s.answered_at and s.owner_id or s.holder
  move_session(s, state, owner_id)
  -- Where it comes home, what its owner does not take goes on to the department.
  if s.owner_kind == 'agent' and holder == owner_id then holder = nil end
  s.holder = holder
end

-- Append what happened to the log of a session; `what` is the event's word for it (see pack_change). `extra` are extra
-- fields of the entry.
local function write_record(s, what, kind, text, by, transfer, entries, extra)
  s.index, s.entry_count = s.index + 1, s.entry_count + (entries or 1)
  if transfer then s.transfer_at = s.index end
  if what == 'placed' then
    s.placed_at = s.index
    set_deadline(s, true)
  elseif s.answered_at then
    set_deadline(s)
  end
  s.record = pack_head(s) .. pack_entry(kind, now, text, by, extra or NO_EXTRA) .. (transfer or NIL)
  call('RPUSH', P .. 'session:' .. s.id, s.record)
  -- It may move past the place to which its tenant's migration has come.
  if s.schema and s.schema ~= schema then add_migration('session:' .. s.id .. ':0') end
end

-- The session is another, and nothing stands in its history for it.
local function rewrite_head(s)
  if s.answered_at then set_deadline(s) end
  s.record = replace_head(s)
  call('LSET', P .. 'session:' .. s.id, -1, s.record)
end

-- Note for the event what happened to a session: `why` its owner has it no more, and what became of its transfer.
local function publish(s, what, why, told, superseded_sender, superseded)
  local left = s.left
  if s.owner_kind == 'agent' and s.owner_id == left then left = nil end
  changes[#changes + 1] = {session_id = s.id, what = what, left = left, why = left and why, told = told,
    superseded_sender = superseded_sender, superseded = superseded, record = s.record,
    transfer = what ~= 'written' and s.transfer_at ~= s.index and transfer_of(s) or nil}
end

-- The department of a session that goes to an agent: the one that it has if the agent is a member, else the agent's only
-- one, else none.
local function department_with(a, department)
  if department and has_id(a.departments, department) then return department end
  return string.match(a.departments, '^ (%S+) $')
end

-- A person sends a session to a target, and so into a department or out of it.
local function enter_target(s, kind, id)
  if kind == 'department' then
    enter_department(s, id)
  else
    local department = department_with(find_agent(id), s.department)
    if department ~= s.department then enter_department(s, department) end
  end
end

local origin_of
do

-- The department of a session that is given back: where it went to an agent of none, the last one, at its age there.
local function regain_department(s)
  local former = s.extra.former
  if s.department or not former or not find_department(former[1]) then return department_of(s) end
  s.department = former[1]
  set_extra(s, 'since', former[2])
  set_extra(s, 'former', nil)
  return s.department
end

-- Where the tenant sends what has nowhere else to go; nil where it says nothing, or where that is gone or has it.
local function last_resort_of(s)
  local to = setting('last_resort')
  if not to or to.kind == s.owner_kind and to.id == s.owner_id then return end
  local is_there
  if to.kind == 'agent' then is_there = find_agent(to.id) else is_there = find_department(to.id) end
  if not is_there then return end
  enter_target(s, to.kind, to.id)
  return route(to.kind, to.id, s.owner_kind == 'agent' and s.owner_id or nil, s)
end

-- Where a session goes that is given back: to the agent that had it in progress before its present owner, if that one is
-- connected; else into its department; else into that agent's pending list; else to the last resort; nil where there is
-- none of them. As `route` returns it.
function origin_of(s)
  local present = s.owner_kind == 'agent' and s.owner_id or nil
  local holder = s.holder and s.holder ~= present and find_agent(s.holder) or nil
  if holder and connected(holder) then return route('agent', holder.id) end
  local department = s.state ~= 'queued' and regain_department(s)
  if department then return route('department', department, present, s) end
  if holder then return 'pending', holder.id, nil, {agent = holder.id} end
  return last_resort_of(s)
end

end

-- A person gives a session back.
local function give_back(s, kind, by, text)
  local state, owner_id, _, choice = origin_of(s)
  if not state then
    local owner = {kind = s.owner_kind, id = s.owner_id}
    reject('no_origin', {owner = owner, department = s.department})
  end
  local decision = decision_of('returned', choice, s)
  move_on(s, state, owner_id)
  write_record(s, 'placed', kind, text, by, nil, nil, {decision = decision})
  publish(s, 'placed', kind, s.sender and kind)
end

-- The system moves a session on, by a choice of `route`: `why` stands in the entry, and so in what the agent and the sender
-- are told. A transfer to a department says which agent has it.
local function move_by_system(s, state, owner_id, choice, why)
  local decision = decision_of(why or 'returned', choice, s)
  local transfer = transfer_of(s)
  local t = transfer and read_transfer(transfer)
  transfer = nil
  if t and t.to.kind == 'department' then
    t.outcome, t.assigned_to = OUTCOME[state], state == 'in_progress' and owner_id or nil
    transfer = pack_transfer(t)
  end
  move_on(s, state, owner_id)
  write_record(s, 'placed', 'moved', nil, nil, transfer, nil, {why = why, decision = decision})
  publish(s, 'placed', 'moved', s.sender and 'moved')
end
