--[[
Sessions: who may change one, where it goes, and the one place where its owner changes.
]]
local function find_session(id)
  local record = call('GET', P .. 'session:' .. id)
  return record and read_session(record), record
end

local function find_records(ids)
  for i, id in ipairs(ids) do ids[i] = P .. 'session:' .. id end
  return ids[1] and call('MGET', unpack(ids)) or {}
end

local function conflict(s)
  reject('conflict', {fence = s.fence, state = s.state, owner = s.owner or cjson.null,
    by = decode(parts_of(s).by) or cjson.null, at = s.updated_at})
end

local function owns(s)
  return s.owner and s.owner.kind == 'agent' and s.owner.id == request.by.id and request.by.role ~= 'service'
end

-- The session of a request that changes it: it is there, open, and at the caller's fence.
local function session_to_change()
  local s = find_session(request.session_id) or reject('not_found', {session_id = request.session_id})
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

-- Somebody to whom the session was sent finds it moved on (conflict); to others it was never theirs (forbidden).
local function reject_moved_on(s)
  local target, id = decode(parts_of(s).target), request.by.id
  local mine = owns(s) or request.by.role == 'admin' or (target.kind == 'agent' and target.id == id)
    or (target.kind == 'department' and call('SISMEMBER', P .. 'members:' .. target.id, id) == 1)
  if mine then conflict(s) end
  reject('forbidden')
end

local function find_party(target)
  local party
  if target.kind == 'agent' then party = find_agent(target.id) else party = find_department(target.id) end
  if not party then reject('not_found', {[target.kind .. '_id'] = target.id}) end
  return pack_party(target.kind, target.id, party.name)
end

local function change_of(s)
  -- With room for what conclude() adds: a table that grows is copied.
  local change = {session_id = s.id, entries = {nil, nil}, session = nil, owner = nil, assigned = nil, removed = nil}
  changes[#changes + 1] = change
  return change
end

local function append_entry(change, s, kind, author, text, transfer)
  s.entry_count = s.entry_count + 1
  local entry = pack_entry(s.entry_count, kind, now, text, author, transfer)
  change.entries[#change.entries + 1] = entry
  return entry
end

-- A back end is told apart from an agent of the same id.
local function maker_of(claims)
  return claims.role == 'service' and 'service ' .. claims.id or claims.id
end

-- Tell who made a transfer what became of it. Where another transfer takes its place, the old one goes along.
local function notify_sender(change, s, state, superseded)
  if s.maker then
    change.updated = {maker = s.maker, state = state, transfer = superseded and parts_of(s).transfer or nil}
  end
end

local LIST = {in_progress = 'owned:', pending = 'pending:', queued = 'queue:'}
local STATES = {in_progress = true, pending = true, queued = true, closed = true}
local COUNT = {in_progress = 'load', pending = 'pending'}
local COUNTED = {in_progress = load_of, pending = pending_of}
local OUTCOME = {in_progress = 'assigned', pending = 'pending', queued = 'queued'}

local function count(s, step)
  if s.state == 'queued' then
    touch_department(s.owner.id)
  else
    local a, field = find_agent(s.owner.id), COUNT[s.state]
    touch(a)
    a[field] = COUNTED[s.state](a) + step
  end
end

-- Move a session to another state and owner: the one place where ownership changes and the fence grows.
local function move_session(s, state, kind, id)
  order = order + 1
  s.left = s.owner and s.owner.kind == 'agent' and s.owner.id or nil
  if s.owner then
    count(s, -1)
    call('ZREM', P .. LIST[s.state] .. s.owner.id, s.id)
  end
  if s.state and s.state ~= state then call('ZREM', P .. 'state:' .. s.state, s.id) end
  s.state, s.owner = state, kind and {kind = kind, id = id}
  s.fence, s.updated_at, s.delivered, parts_of(s).by = s.fence + 1, now, false, by or NIL
  if s.owner then
    count(s, 1)
    call('ZADD', P .. LIST[state] .. id, order, s.id)
  end
  call('ZADD', P .. 'state:' .. state, order, s.id)
  if state == 'in_progress' then
    s.holder = id
    find_agent(id).assigned = order
  elseif state == 'queued' then
    s.department = id
  end
end

-- Write a session and the new entries of its history down; the owner hears of the entries.
local function save(s, change)
  local record = pack_session(s)
  call('SET', P .. 'session:' .. s.id, record)
  if change.entries[1] then call('RPUSH', P .. 'history:' .. s.id, unpack(change.entries)) end
  change.owner = s.owner and s.owner.kind == 'agent' and s.owner.id or nil
  return record
end

-- End a change of ownership: write it down and note who is to hear of it.
local function conclude(s, change, why)
  change.session = save(s, change)
  local left, owner = s.left, change.owner
  if left and left ~= owner then change.removed = {agent_id = left, why = why} end
  if s.state == 'in_progress' then change.assigned = owner end
  if s.state == 'pending' then change.pending = owner end
  return change.session
end

-- Where a session sent to a target goes now: state, kind and id of the owner, who has it if a department was the
-- target. Of the members the one with the lowest load/capacity, then the one longest without an assignment.
local function route(target, except)
  if target.kind == 'agent' then
    return available(find_agent(target.id)) and 'in_progress' or 'pending', 'agent', target.id
  end
  for _, member in ipairs(call('ZRANGE', P .. 'available:' .. target.id, 0, 1)) do
    if member ~= except then return 'in_progress', 'agent', member, member end
  end
  return 'queued', 'department', target.id
end

-- Give a waiting session back: to who had it in progress before, else to the department it came from.
local function give_back(s, kind, text)
  local present = s.owner.kind == 'agent' and s.owner.id or nil
  local target = s.holder and s.holder ~= present and find_agent(s.holder) and {kind = 'agent', id = s.holder}
  if not target and s.department and s.state ~= 'queued' and find_department(s.department) then
    target = {kind = 'department', id = s.department}
  end
  if not target then conflict(s) end
  local change = change_of(s)
  append_entry(change, s, kind, by, text)
  notify_sender(change, s, kind)
  move_session(s, route(target, present))
  return conclude(s, change, kind)
end
