--[[
Agents and departments: read once per step, described by commands and tokens, bounded in number.
]]
local OWNED_MAX = 256 -- sessions in progress that stand in their agent's record; more have a list of their own

local function find_record(field)
  local record = fetched[field]
  fetched[field] = nil
  if record == nil then record = call('HGET', P .. 'tenant', field) end
  return record
end

-- nil where there is none, or it cannot be read.
local function find_agent(id)
  local a = agents[id]
  if a == nil then
    local record = find_record('a' .. id)
    a = record and read_agent(record) or false
    if record and (not a or a.id ~= id) then
      set_aside('agent ' .. id, record, 'the record cannot be read')
      a = false
    end
    agents[id] = a
  end
  return a or nil
end

local function touch(a)
  if not a.touched then
    a.touched = true
    agents_touched[#agents_touched + 1] = a
  end
end

-- It can see what it is given: it has a connection, or lost the last a moment ago, and was not sent away.
local function connected(a)
  return a.present and a.chosen ~= 'disconnected'
end

local function available(a)
  return a.present and a.chosen == 'connected' and a.load < a.capacity
end

local function new_agent(id)
  local a = {id = id, chosen = 'connected', present = false, status = 'disconnected', status_since_at = now,
    assigned = 0, departments = ' ', load = 0, pending = call('ZCARD', P .. 'pending:' .. id), owned = ' ', extra = NO_EXTRA,
    load_before = 0, pending_before = 0, available_before = false, status_before = 'disconnected'}
  agents[id] = a
  call('SADD', P .. 'agents', id)
  touch(a)
  return a
end

local function describe(a, name, role, departments, capacity)
  if a.name == name and a.role == role and a.departments == departments and a.capacity == capacity then return end
  touch(a)
  a.described, a.departments_before, a.unchanged = true, a.departments_before or a.departments, nil
  a.name, a.role, a.departments, a.capacity = name, role, departments, capacity
end

local function find_department(id)
  local record = call('HGET', P .. 'tenant', 'd' .. id)
  local row = record and read_department(record)
  if record and (not row or row.id ~= id) then
    set_aside('department ' .. id, record, 'the record cannot be read')
    row = nil
  end
  return row or nil
end

-- `is_news`: its row is told also where its counts are what they were, as when one session leaves a queue and one joins.
local function touch_department(id, is_news)
  departments_touched[id] = is_news or departments_touched[id] or false
end

-- The name of what has none: its id, as far as a name reaches.
local function name_from(id)
  return string.sub(id, 1, NAME_MAX)
end

-- A department as commands answer it: with the tenant's rule where it has none of its own.
local function department_view(row)
  if not meta.extra.settings or row.extra.rule then return pack_department(row) end
  local extra = row.extra
  row.extra = {rule = setting('rule')}
  for name, value in pairs(extra) do row.extra[name] = value end
  local view = pack_department(row)
  row.extra = extra
  return view
end

local function put_department(id, name, row)
  row = row or {id = id, agents = 0, available = 0, queued = 0, extra = NO_EXTRA}
  row.name = name
  -- Dialogs show a rule live, so that it stands in the row, too.
  set_extra(row, 'rule', meta.extra.settings and level_of(id).rule)
  call('HSET', P .. 'tenant', 'd' .. id, pack_department(row))
  call('SADD', P .. 'departments', id)
  touch_department(id, true)
end

-- One that its members are still leaving is not made again before they have: they would be members of the new one.
local function require_left(id)
  if call('ZSCORE', P .. 'due', 'leave ' .. id) then
    reject('unavailable', {reason = 'the department ' .. id .. ' is being removed'})
  end
end

-- What a tenant may have is bounded, so that no client fills the store, be it by mistake.
local function require_space(what, has, adds)
  local most = limits[what]
  if most and has + adds > most then reject('forbidden', {[what .. '_max'] = most}) end
end

-- There is space for what `claim_agent` would make.
local function require_space_for(claims)
  if not find_agent(claims.id) then require_space('agents', call('SCARD', P .. 'agents'), 1) end
  local departments = not claims.again and claims.departments or {}
  if departments[1] then
    local adds = 0
    for _, id in ipairs(departments) do
      if call('SISMEMBER', P .. 'departments', id) == 0 then
        require_left(id)
        adds = adds + 1
      end
    end
    if adds > 0 then require_space('departments', call('SCARD', P .. 'departments'), adds) end
  end
end

-- The agent of a hello: made or updated by its token's claims. The departments that a token names need not exist yet;
-- but a connection that is only registered again brings back nothing that was removed or changed since.
local function claim_agent(claims)
  local a = find_agent(claims.id)
  if a and claims.again then return a end
  for _, id in ipairs(claims.departments or {}) do
    if call('SISMEMBER', P .. 'departments', id) == 0 then put_department(id, name_from(id)) end
  end
  local departments = claims.departments and text_of(claims.departments)
  if not a then
    a = new_agent(claims.id)
    describe(a, claims.name or name_from(claims.id), claims.role, departments or ' ', claims.capacity or CAPACITY_DEFAULT)
  else
    describe(a, claims.name or a.name, claims.role, departments or a.departments, claims.capacity or a.capacity)
  end
  return a
end

-- The caller, as histories and transfers name it. A connected agent that was removed may do nothing more; one
-- that was registered in an earlier epoch may have been lost with it, and is registered again soon. Over HTTP, where
-- there is no hello, an agent need not be in the directory.
local function caller()
  local claims = request.by
  local a = claims.role ~= 'service' and find_agent(claims.id) or nil
  if claims.attached and not a then
    if not claims.epoch or claims.epoch == meta.epoch then reject('forbidden') end
    reject('unavailable', {reason = 'the store does not know the connection any more'})
  end
  return {id = claims.id, name = a and a.name or claims.name or name_from(claims.id), role = claims.role}, a
end

-- A caller that takes a session itself needs room for it; one outside the directory, by its token's capacity.
local function require_room(me)
  local load, capacity = 0, request.by.capacity or CAPACITY_DEFAULT
  if me then load, capacity = me.load, me.capacity end
  if load >= capacity then reject('at_capacity', {load = load, capacity = capacity}) end
end

-- What an agent has in progress: load is its size, since both are written in one record, and change here only. ----

local function own(a, session_id, order)
  if a.owned and a.load >= OWNED_MAX then
    local listed = P .. 'owned:' .. a.id
    for id in ids_of(a.owned) do
      local s = read_session(call('LINDEX', P .. 'session:' .. id, -1))
      call('ZADD', listed, s and s.order or 0, id)
    end
    a.owned = false
  end
  if a.owned then
    a.owned = a.owned .. session_id .. ' '
  else
    call('ZADD', P .. 'owned:' .. a.id, order, session_id)
  end
  a.load = a.load + 1
  touch(a)
end

local function disown(a, session_id)
  touch(a)
  if not a.owned then
    a.load = a.load - call('ZREM', P .. 'owned:' .. a.id, session_id)
    if a.load == 0 then a.owned = ' ' end
  elseif has_id(a.owned, session_id) then
    a.owned, a.load = without_id(a.owned, session_id), a.load - 1
  end
end

-- The ids of what an agent has in progress, oldest first, at most so many.
local function owned_by(a, most)
  if not a.owned then return call('ZRANGE', P .. 'owned:' .. a.id, 0, most - 1) end
  local ids = {}
  for id in ids_of(a.owned) do
    if #ids == most then break end
    ids[#ids + 1] = id
  end
  return ids
end
