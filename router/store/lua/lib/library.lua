--[[
What every verb shares. The loader joins this file and all verbs into one function library, so that the functions
below are made once and not at each call; whatever belongs to one call is set anew by `run`.

KEYS[1]  the tenant's prefix, relevo:{TENANT}: -- every key below starts with it, so a tenant is one slot
ARGV[1]  the run id of the server (its master_replid): another one means that acknowledged writes may be lost
ARGV[2]  the request, a MessagePack map. Common fields:
           limits  packed: [events kept, idempotency key ms, closed session ms, presence grace ms, session grace ms,
                   agents, departments, open sessions, entries of a history]
           by      {id, name, role, attached, epoch, again, departments, capacity}: the caller; none for the system
           key, print  idempotency key and fingerprint (32 characters) of the command's body
           node_id, lease_ms   a node extends its lease on this tenant
           now     milliseconds since the epoch; only tests pass it
Reply    a MessagePack map: {result = ...} or {error = code, details = ...}

A verb checks everything first and writes last; `refuse` may only be called before the first write. It returns a
function that builds its result once everything is settled. Without the flag allow-oom the server refuses the whole
call when memory is full or the disk fails, instead of one write in its middle.

Records are packed once and travel packed: the string that is stored is also the one in the event and the reply.

Keys                      type    holds
  meta                    hash    epoch, seq (of events), order (of placements), run,
                                  before: epoch and seq at which this epoch began
  agents, departments     hash    id -> row as last published, with what only the verbs need
  members:D               set     agents of a department
  available:D             zset    those available now, the best first
  owned:A, pending:A      zset    sessions in progress with, pending on an agent, by order
  queue:D                 zset    sessions that wait for a member of the department, by order
  state:S                 zset    sessions of one state, by order
  session:ID, history:ID  string, list  the record and the entries of a session
  connections:A, node:N   set     live connections of an agent ("node connection"), of a node ("agent connection")
  due                     zset    what is to be done when: "node N", "presence A", "sessions A", "drain A"
  key:CALLER KEY          string  fingerprint and first reply
  events                  stream  the latest events, entry id = seq-0
]]
local INBOX_MAX = 1000 -- sessions of each kind in a welcome
local SWEEP_MAX = 200 -- things of one kind done in one step; the rest stays due
local TRIM_STEPS = 16 -- events between two looks at how many are kept
local WRITTEN_MAX = 500 -- words of one HSET; the server's Lua takes some thousands
local CAPACITY_DEFAULT = 10
local RATIO_STEPS, ORDER_STEPS = 2 ^ 20, 2 ^ 33 -- a score of available:D is exact below 2^53

local call -- of the server's libraries, as pack, decode and read

local P, run_id, request, now, by, limits, limits_packed, lease_known, more_is_due
local epoch, seq, order
local agents, agents_touched, departments_touched, agents_removed, departments_removed, changes

local function refuse(code, details)
  error({refused = code, details = details})
end

-- What a step knows of agents and is about to tell; a call is one step, or two if something was due. The lists have
-- room for what most calls put there.
local function begin_step()
  agents, agents_touched, departments_touched, agents_removed, departments_removed = {}, {nil, nil}, {}, {}, {}
  changes = {nil}
end

-- Another run of event numbers: whoever followed the last one reads the directory anew, and sees from `before`
-- whether it had heard what the store has forgotten.
local function begin_epoch()
  local time, before = call('TIME'), epoch and epoch .. ' ' .. seq or ''
  epoch, seq = string.format('%x%05x', time[1], time[2]), 0
  call('DEL', P .. 'events')
  call('HSET', P .. 'meta', 'epoch', epoch, 'seq', 0, 'run', run_id, 'before', before)
end

local function begin(keys, args)
  call, pack, decode, read = redis.call, cmsgpack.pack, cmsgpack.unpack, cmsgpack.unpack_limit
  P, run_id, request = keys[1], args[1], decode(args[2])
  now, by = request.now, nil
  if not now then
    local time = call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  -- A node says the same at every call.
  if request.limits ~= limits_packed then
    limits_packed = request.limits
    local given = decode(limits_packed)
    limits = {events = given[1], key_ms = given[2], closed_ms = given[3], presence_grace_ms = given[4],
      session_grace_ms = given[5], agents = given[6], departments = given[7], sessions = given[8], history = given[9]}
  end
  begin_step()
  local meta = call('HMGET', P .. 'meta', 'epoch', 'seq', 'order', 'run')
  epoch, seq, order = meta[1], tonumber(meta[2] or 0), tonumber(meta[3] or 0)
  if meta[4] ~= run_id then begin_epoch() end
end

-- Agents and departments ------------------------------------------------------------------------------------

local function know_agent(id, record)
  local a = record and read_agent(record) or false
  agents[id] = a
  return a
end

local function find_agent(id)
  local a = agents[id]
  if a == nil then a = know_agent(id, call('HGET', P .. 'agents', id)) end
  return a or nil
end

-- Read two agents at the price of one command.
local function find_both(id, other_id)
  local records = call('HMGET', P .. 'agents', id, other_id)
  know_agent(id, records[1])
  know_agent(other_id, records[2])
end

-- Load and pending are the sizes of the lists, read before this step changes them.
local function load_of(a)
  if not a.load then a.load = call('ZCARD', P .. 'owned:' .. a.id) end
  return a.load
end

local function pending_of(a)
  if not a.pending then a.pending = call('ZCARD', P .. 'pending:' .. a.id) end
  return a.pending
end

local function touch(a)
  if not a.touched then
    a.touched = true
    agents_touched[#agents_touched + 1] = a
  end
end

local function available(a)
  return a.present and a.chosen == 'connected' and load_of(a) < a.capacity
end

local function new_agent(id)
  local a = {id = id, chosen = 'connected', present = false, status = 'disconnected', status_since_at = now,
    assigned = 0, departments = {}, load_before = 0, pending_before = 0, available_before = false}
  agents[id] = a
  pending_of(a)
  touch(a)
  return a
end

local function describe(a, name, role, departments, capacity)
  local profile = pack_profile(a.id, name, role, departments, capacity)
  if profile == a.packed then return end
  touch(a)
  a.described, a.departments_before = true, a.departments_before or a.departments
  a.name, a.departments, a.capacity, a.packed = name, departments, capacity, profile
end

local function find_department(id)
  local record = call('HGET', P .. 'departments', id)
  return record and decode(record)
end

local function touch_department(id)
  departments_touched[id] = departments_touched[id] or true
end

-- What a tenant may have is bounded, so that nobody fills the store, be it by mistake.
local function require_space(what, has, adds)
  local most = limits[what]
  if most and has + adds > most then refuse('forbidden', {[what .. '_max'] = most}) end
end

-- There is space for what `claim_agent` would make.
local function require_space_for(claims)
  if not find_agent(claims.id) then require_space('agents', call('HLEN', P .. 'agents'), 1) end
  local departments = not claims.again and claims.departments or {}
  if departments[1] then
    local has = call('HLEN', P .. 'departments')
    if has + #departments > (limits.departments or math.huge) then
      local adds = 0
      for _, id in ipairs(departments) do adds = adds + (find_department(id) and 0 or 1) end
      if adds > 0 then require_space('departments', has, adds) end
    end
  end
end

-- Who says hello: made or updated by what its token claims. The departments that a token names need not exist yet;
-- but a connection that is only registered again brings back nothing that was removed or changed since.
local function claim_agent(claims)
  local a = find_agent(claims.id)
  if a and claims.again then return a end
  for _, id in ipairs(claims.departments or {}) do
    if call('HEXISTS', P .. 'departments', id) == 0 then
      call('HSET', P .. 'departments', id, pack({id = id, name = id}))
      touch_department(id)
    end
  end
  if not a then
    a = new_agent(claims.id)
    describe(a, claims.name or claims.id, claims.role, claims.departments or {}, claims.capacity or CAPACITY_DEFAULT)
  else
    describe(a, claims.name or a.name, claims.role, claims.departments or a.departments, claims.capacity or a.capacity)
  end
  return a
end

-- Who calls, packed as histories and transfers name it. A connected agent that was removed may do nothing more; one
-- that was registered in an earlier epoch may have been lost with it, and is registered again soon. Over HTTP, where
-- nobody says hello, an agent need not be in the directory.
local function caller()
  local claims = request.by
  local a = claims.role ~= 'service' and find_agent(claims.id) or nil
  if claims.attached and not a then
    if not claims.epoch or claims.epoch == epoch then refuse('forbidden') end
    refuse('unavailable', {reason = 'the store does not know the connection any more'})
  end
  by = pack_actor(claims.id, a and a.name or claims.name or claims.id, claims.role)
  return a
end

-- Who takes a session itself needs room for it; who is not in the directory yet, by what its token claims.
local function require_room(me)
  local load, capacity = 0, request.by.capacity or CAPACITY_DEFAULT
  if me then load, capacity = load_of(me), me.capacity end
  if load >= capacity then refuse('at_capacity') end
end

-- Sessions --------------------------------------------------------------------------------------------------

local function find_session(id)
  local record = call('GET', P .. 'session:' .. id)
  return record and read_session(record), record
end

local function find_records(ids)
  for i, id in ipairs(ids) do ids[i] = P .. 'session:' .. id end
  return ids[1] and call('MGET', unpack(ids)) or {}
end

local function conflict(s)
  refuse('conflict', {fence = s.fence, state = s.state, owner = s.owner or cjson.null,
    by = decode(parts_of(s).by) or cjson.null, at = s.updated_at})
end

local function owns(s)
  return s.owner and s.owner.kind == 'agent' and s.owner.id == request.by.id and request.by.role ~= 'service'
end

-- The session of a request that changes it: it is there, open, and at the caller's fence.
local function session_to_change()
  local s = find_session(request.session_id) or refuse('not_found', {session_id = request.session_id})
  if s.state == 'closed' then refuse('closed') end
  if request.fence and request.fence ~= s.fence then conflict(s) end
  return s
end

-- A history is never shortened; a session that was sent about without end can still be taken, and closed.
local function require_room_to_write(s)
  require_space('history', s.entry_count, 1)
end

local function require_owner(s)
  if request.by.role == 'agent' and not owns(s) then refuse('forbidden') end
end

-- Somebody to whom the session was sent finds it moved on (conflict); to others it was never theirs (forbidden).
local function refuse_moved_on(s)
  local target, id = decode(parts_of(s).target), request.by.id
  local mine = owns(s) or request.by.role == 'admin' or (target.kind == 'agent' and target.id == id)
    or (target.kind == 'department' and call('SISMEMBER', P .. 'members:' .. target.id, id) == 1)
  if mine then conflict(s) end
  refuse('forbidden')
end

local function find_party(target)
  local party
  if target.kind == 'agent' then party = find_agent(target.id) else party = find_department(target.id) end
  if not party then refuse('not_found', {[target.kind .. '_id'] = target.id}) end
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
local function tell_maker(change, s, state, superseded)
  if s.maker then
    change.updated = {maker = s.maker, state = state, transfer = superseded and parts_of(s).transfer or nil}
  end
end

local LIST = {in_progress = 'owned:', pending = 'pending:', queued = 'queue:'}
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
local function place(s, state, kind, id)
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
  tell_maker(change, s, kind)
  place(s, route(target, present))
  return conclude(s, change, kind)
end

-- Presence --------------------------------------------------------------------------------------------------

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
      tell_maker(change, s, 'moved')
      place(s, 'pending', 'agent', agent_id)
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
