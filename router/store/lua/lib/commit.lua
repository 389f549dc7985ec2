--[[
The commit of a step: what follows from its changes (queues, departments, load), the rows, and the one event.
]]
local commit
do

local WRITTEN_MAX = 500 -- words of one HSET; the server's Lua takes some thousands


-- A member that became available gets the oldest of what waits in its departments, as far as it has room. A
-- session that it gave away in this very step does not come straight back.
local function drain(a)
  if not available(a) then return end
  local given_away, waited_before, room = {}, ' ', SWEEP_MAX
  for _, change in ipairs(changes) do
    if change.left == a.id then given_away[change.session_id] = true end
  end
  if a.available_before and not a.drain_on then waited_before = a.departments_before or a.departments end
  while available(a) do
    local oldest, position, from
    for id in ids_of(a.departments) do
      local waiting = not has_id(waited_before, id) and call('ZRANGE', P .. 'queue:' .. id, 0, 1, 'WITHSCORES') or {}
      local i = given_away[waiting[1]] and 3 or 1
      local score = tonumber(waiting[i + 1])
      if score and (not position or score < position) then oldest, position, from = waiting[i], score, id end
    end
    if not oldest then return end
    if room == 0 then
      due_add(now, 'drain ' .. a.id)
      return
    end
    room = room - 1
    local s = find_session(oldest)
    if s and s.state == 'queued' and s.owner_id == from then
      local transfer = transfer_of(s)
      local t = transfer and read_transfer(transfer)
      if t and t.to.kind == 'department' and t.to.id == from then
        t.outcome, t.assigned_to = 'assigned', a.id
        transfer = pack_transfer(t)
      end
      move_session(s, 'in_progress', a.id)
      write_record(s, 'placed', 'moved', nil, nil, transfer)
      publish(s, 'placed', 'moved', s.sender and 'moved')
    else
      call('ZREM', P .. 'queue:' .. from, oldest)
      touch_department(from)
    end
  end
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
  for i = 1, #agents_touched do
    local a = agents_touched[i]
    if not a.removed and a.departments ~= ' ' then drain(a) end
  end
  local rows, department_rows, removed, packed, notices = {nil, nil}, {}, {}, {nil, nil}, {}
  local written = {nil, nil, nil, nil, nil, nil, nil, nil}
  for i = 1, #agents_touched do
    local a = agents_touched[i]
    if not a.removed then
      local record, row, is_news = commit_agent(a)
      put(written, 'a' .. a.id, record)
      if is_news then rows[#rows + 1] = row end
      notices[#notices + 1] = a.notice
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
  if settings_changed or #rows + #department_rows + #changes + #agents_removed + #removed + #notices > 0 then
    meta.seq, meta_changed = meta.seq + 1, true
    for i = 1, #changes do packed[i] = pack_change(changes[i]) end
    local event = pack_event(meta, now, rows, department_rows, agents_removed, removed, packed,
      rule_changed and pack(setting('rule') or false), notices[1] and pack(notices))
    put(written, meta.seq % meta.ring, event)
    call('SPUBLISH', P .. 'feed', event)
  end
  if meta_changed then put(written, 'm', pack_meta(meta)) end
  if written[1] then write_tenant(written) end
  meta_changed = false
end

end
