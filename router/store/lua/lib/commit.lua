--[[
The commit of a step: what follows from its changes (queues, departments, load), the rows, and the one event.
]]

-- A member who became available gets the oldest of what waits in its departments, as far as it has room. A
-- session that it gave away in this very step does not come straight back.
local function drain(a)
  if not a.departments[1] or not available(a) then return end
  local given_away, waited_before, room = {}, {}, SWEEP_MAX
  for _, change in ipairs(changes) do
    if change.removed and change.removed.agent_id == a.id then given_away[change.session_id] = true end
  end
  if a.available_before and not a.drain_on then
    for _, id in ipairs(a.departments_before or a.departments) do waited_before[id] = true end
  end
  while available(a) do
    local oldest, position, from
    for _, id in ipairs(a.departments) do
      local waiting = not waited_before[id] and call('ZRANGE', P .. 'queue:' .. id, 0, 1, 'WITHSCORES') or {}
      local i = given_away[waiting[1]] and 3 or 1
      local score = tonumber(waiting[i + 1])
      if score and (not position or score < position) then oldest, position, from = waiting[i], score, id end
    end
    if not oldest then return end
    if room == 0 then
      call('ZADD', P .. 'due', now, 'drain ' .. a.id)
      return
    end
    room = room - 1
    local s = find_session(oldest)
    local change = change_of(s)
    move_session(s, 'in_progress', 'agent', a.id)
    local transfer = decode(s.parts.transfer)
    if transfer and transfer.to.kind == 'department' and transfer.to.id == from then
      transfer.outcome, transfer.assigned_to = 'assigned', a.id
      s.parts.transfer = pack(transfer)
    end
    append_entry(change, s, 'moved', nil, nil, s.parts.transfer)
    notify_sender(change, s, 'moved')
    conclude(s, change, 'moved')
  end
end

local function join_departments(a)
  local was, is = {}, {}
  for _, id in ipairs(a.departments_before) do was[id] = true end
  for _, id in ipairs(a.departments) do
    is[id] = true
    if not was[id] then
      call('SADD', P .. 'members:' .. id, a.id)
      touch_department(id)
    end
  end
  for _, id in ipairs(a.departments_before) do
    if not is[id] then
      call('SREM', P .. 'members:' .. id, a.id)
      call('ZREM', P .. 'available:' .. id, a.id)
      touch_department(id)
    end
  end
end

local function offer_to_departments(a, is_available)
  local moved = is_available ~= a.available_before
  for _, id in ipairs(a.departments) do
    if is_available then
      local ratio = math.floor(a.load / a.capacity * RATIO_STEPS)
      call('ZADD', P .. 'available:' .. id, ratio * ORDER_STEPS + a.assigned, a.id)
    elseif moved then
      call('ZREM', P .. 'available:' .. id, a.id)
    end
    if moved then touch_department(id) end
  end
end

local function commit_agent(a, rows)
  local load, pending = load_of(a), a.pending or a.pending_before
  if a.chosen == 'pre_pause' and load == 0 then a.chosen = 'pause' end
  local status, is_available = a.present and a.chosen or 'disconnected', available(a)
  local changed = a.described or status ~= a.status
  if status ~= a.status then a.status_since_at = now end
  if a.departments_before then join_departments(a) end
  offer_to_departments(a, is_available)
  local record = pack_agent(a, status, load, pending, is_available)
  if changed or load ~= a.load_before or pending ~= a.pending_before or is_available ~= a.available_before then
    rows[#rows + 1] = record
  end
  return record
end

local function commit_department(id, rows)
  local row = find_department(id)
  if not row then return end
  local members, ready = call('SCARD', P .. 'members:' .. id), call('ZCARD', P .. 'available:' .. id)
  local queued = call('ZCARD', P .. 'queue:' .. id)
  if row.agents == members and row.available == ready and row.queued == queued and departments_touched[id] ~= 'named' then
    return
  end
  row.agents, row.available, row.queued = members, ready, queued
  local record = pack(row)
  call('HSET', P .. 'departments', id, record)
  rows[#rows + 1] = record
end

local function commit()
  by = nil
  for _, a in ipairs(agents_touched) do
    if not a.removed then drain(a) end
  end
  local rows, department_rows, removed, written = {nil, nil}, {}, {}, {nil, nil, nil, nil}
  for _, a in ipairs(agents_touched) do
    if not a.removed then
      a.packed = commit_agent(a, rows)
      written[#written + 1], written[#written + 2] = a.id, a.packed
      if #written >= WRITTEN_MAX then
        call('HSET', P .. 'agents', unpack(written))
        written = {}
      end
    end
  end
  if written[1] then call('HSET', P .. 'agents', unpack(written)) end
  for id in pairs(departments_touched) do commit_department(id, department_rows) end
  for id in pairs(departments_removed) do removed[#removed + 1] = id end
  if #rows + #department_rows + #changes + #agents_removed + #removed > 0 then
    seq = seq + 1
    local event = pack({epoch = epoch, seq = seq, at = now, agents = rows[1] and rows,
      departments = department_rows[1] and department_rows, agents_removed = agents_removed[1] and agents_removed,
      departments_removed = removed[1] and removed, changes = changes[1] and changes})
    call('XADD', P .. 'events', seq .. '-0', 'event', event)
    if seq % TRIM_STEPS == 0 then call('XTRIM', P .. 'events', 'MAXLEN', '~', limits.events) end
    call('SPUBLISH', P .. 'feed', event)
    call('HSET', P .. 'meta', 'seq', seq, 'order', order)
  end
end
