--[[
The commit of a step: what follows from its changes (queues, departments, load), the rows, and the one event.
]]
local commit
do

local WRITTEN_MAX = 500 -- words of one HSET; the server's Lua takes some thousands


-- The first of a list that is not passed over, and its place.
local function first_of(list, passed, passed_count)
  local waiting = call('ZRANGE', P .. list, 0, passed_count, 'WITHSCORES')
  for i = 1, #waiting, 2 do
    if not passed[waiting[i]] then return waiting[i], tonumber(waiting[i + 1]) end
  end
end

-- What an agent takes from a queue or its pending list is in progress with it.
local function take(a, s)
  local choice = {agent = a.id}
  if s.state == 'queued' then
    choice = {department = s.owner_id, best = a.id, s = s, place = call('ZRANK', P .. 'queue:' .. s.owner_id, s.id) + 1}
  end
  local decision = decision_of('queue', choice)
  local transfer = transfer_of(s)
  local t = transfer and read_transfer(transfer)
  local direct = t and t.to.kind == 'agent' and t.to.id == a.id
  if t and (s.state == 'pending' or t.to.kind == 'department' and t.to.id == s.owner_id) then
    t.outcome, t.assigned_to = 'assigned', not direct and a.id or nil
    transfer = pack_transfer(t)
  end
  move_session(s, 'in_progress', a.id)
  write_record(s, 'placed', 'moved', nil, nil, transfer, nil, {why = 'queue', decision = decision})
  publish(s, 'placed', 'moved', s.sender and 'moved')
end

-- Whether an agent takes what waits, in the queues of the departments that it waited in before or in its own list.
local function takes(a, s, waited_before)
  if s.state == 'pending' then return setting('pending_take', s.department) == 'when_available' end
  return may_get(a, s) and (not has_id(waited_before, s.owner_id) or s.extra.tried and s.extra.tried[a.id])
end

-- Where an agent is to look for what it takes: the departments in which it has looked before, and whether in its own list;
-- nil where there is nothing new to look at.
local function lists_for(a)
  if a.removed or not available(a) or a.departments == ' ' and a.pending == 0 then return end
  local waited_before = ' '
  if a.available_before and not a.drain_on then waited_before = a.departments_before or a.departments end
  local has_pending = meta.extra.settings and a.pending > 0 and (not a.available_before or a.drain_on)
  if waited_before ~= a.departments or a.is_back or has_pending then return waited_before, has_pending end
end

-- A member that became available gets the oldest of what waits in its departments and its own list, as far as it has room.
-- A session that it gave away in this very step does not come straight back, nor does one that it was tried with.
local function drain(a, waited_before, has_pending)
  local passed, passed_count, room, taken = {}, 0, SWEEP_MAX, false
  for _, change in ipairs(changes) do
    if change.left == a.id and not passed[change.session_id] then
      passed[change.session_id], passed_count = true, passed_count + 1
    end
  end
  while available(a) do
    local oldest, position, list
    local function look_at(name)
      local id, score = first_of(name, passed, passed_count)
      if score and (not position or score < position) then oldest, position, list = id, score, name end
    end
    for id in ids_of(a.departments) do
      if a.is_back or not has_id(waited_before, id) then look_at('queue:' .. id) end
    end
    if has_pending then look_at('pending:' .. a.id) end
    if not oldest then return end
    if room == 0 then
      if taken then due_add(now, 'drain ' .. a.id) end
      return
    end
    room = room - 1
    local s = find_session(oldest)
    if not s or not LIST[s.state] or LIST[s.state] .. s.owner_id ~= list then
      local left, department = call('ZREM', P .. list, oldest), string.match(list, '^queue:(.+)$')
      if department then touch_department(department) else a.pending = a.pending - left end
    elseif takes(a, s, waited_before) then
      take(a, s)
      taken = true
    else
      passed[oldest], passed_count = true, passed_count + 1
    end
  end
end

-- Several that became available in one step take in the order in which a department would choose them.
local function drain_all()
  local ready = {nil}
  for i = 1, #agents_touched do
    local a = agents_touched[i]
    local waited_before, has_pending = lists_for(a)
    if waited_before then
      ready[#ready + 1] = {agent = a, score = choice_score(a), waited_before = waited_before, has_pending = has_pending}
    end
  end
  if ready[2] then
    table.sort(ready, function(one, other)
      return one.score < other.score or one.score == other.score and one.agent.id < other.agent.id
    end)
  end
  for i = 1, #ready do drain(ready[i].agent, ready[i].waited_before, ready[i].has_pending) end
end

local function join_departments(a)
  for id in ids_of(a.departments) do
    if not has_id(a.departments_before, id) then
      call('SADD', P .. 'members:' .. id, a.id)
      touch_department(id)
    end
  end
  for id in ids_of(a.departments_before) do
    if not has_id(a.departments, id) then
      call('SREM', P .. 'members:' .. id, a.id)
      call('ZREM', P .. 'available:' .. id, a.id)
      touch_department(id)
    end
  end
end

local function offer_to_departments(a)
  local moved = a.available ~= a.available_before
  for id in ids_of(a.departments) do
    if a.available then
      call('ZADD', P .. 'available:' .. id, choice_score(a), a.id)
    elseif moved then
      call('ZREM', P .. 'available:' .. id, a.id)
    end
    if moved then touch_department(id) end
  end
end

-- Return the record of an agent, its row, and whether the row is another one than was told last.
local function commit_agent(a)
  if a.chosen == 'pre_pause' and a.load == 0 then
    a.chosen = 'pause'
    explain_status(a, a.extra.status_reason, a.extra.status_until_at)
    notice(a, nil, a.extra.status_reason)
  end
  a.status, a.available = a.present and a.chosen or 'disconnected', available(a)
  if a.status ~= a.status_before then a.status_since_at = now end
  if a.departments_before then join_departments(a) end
  if a.departments ~= ' ' then offer_to_departments(a) end
  local record, row = pack_agent(a)
  a.row = row
  return record, row, a.described or a.status ~= a.status_before or a.load ~= a.load_before
    or a.pending ~= a.pending_before or a.available ~= a.available_before
end

-- Return the record of a department, or nil where it is what was told last.
local function commit_department(id)
  local row = find_department(id)
  if not row then return end
  local members, ready = call('SCARD', P .. 'members:' .. id), call('ZCARD', P .. 'available:' .. id)
  local queued = call('ZCARD', P .. 'queue:' .. id)
  if row.agents == members and row.available == ready and row.queued == queued and not departments_touched[id] then
    return
  end
  row.agents, row.available, row.queued = members, ready, queued
  return pack_department(row)
end

-- What is written to the tenant's hash goes in one command, or in a few where it is much.
local function write_tenant(written)
  for first = 1, #written, WRITTEN_MAX do
    call('HSET', P .. 'tenant', unpack(written, first, math.min(first + WRITTEN_MAX - 1, #written)))
  end
end

local function put(written, field, record)
  local last = #written
  written[last + 1], written[last + 2] = field, record
end

function commit()
  drain_all()
  local rows, department_rows, removed, packed, notices = {nil, nil}, {}, {}, {nil, nil}, {}
  local replaced = {nil}
  local written = {nil, nil, nil, nil, nil, nil, nil, nil}
  for i = 1, #agents_touched do
    local a = agents_touched[i]
    if not a.removed then
      local record, row, is_news = commit_agent(a)
      put(written, 'a' .. a.id, record)
      if is_news then rows[#rows + 1] = row end
      notices[#notices + 1] = a.notice
      for _, connection_id in ipairs(a.replaced or NO_EXTRA) do replaced[#replaced + 1] = {a.id, connection_id} end
    end
  end
  for id in pairs(departments_touched) do
    local record = commit_department(id)
    if record then
      put(written, 'd' .. id, record)
      department_rows[#department_rows + 1] = record
    end
  end
  for id in pairs(departments_removed) do removed[#removed + 1] = id end
  if settings_changed or #rows + #department_rows + #changes + #agents_removed + #removed + #notices + #replaced > 0 then
    meta.seq, meta_changed = meta.seq + 1, true
    for i = 1, #changes do packed[i] = pack_change(changes[i]) end
    local event = pack_event(meta, now, rows, department_rows, agents_removed, removed, packed,
      rule_changed and pack(setting('rule') or false), notices[1] and pack(notices),
      replaced[1] and pack(replaced))
    put(written, meta.seq % meta.ring, event)
    call('SPUBLISH', P .. 'feed', event)
  end
  if meta_changed then put(written, 'm', pack_meta(meta)) end
  if written[1] then write_tenant(written) end
  meta_changed = false
end

end
