--[[
Agents and departments: read once per step, described by commands and tokens, bounded in number.
]]
local REMOVED_MAX = 10000 -- removals that are remembered, for the tokens that were issued before
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

-- Since when an agent has the status that it has in this step.
local function status_since(a)
  return (a.present and a.chosen or 'disconnected') == a.status_before and a.status_since_at or now
end

-- The score of an available agent in its departments: the lowest gets the next session.
local function choice_score(a)
  return math.floor(a.load / a.capacity * RATIO_STEPS) * ORDER_STEPS + a.assigned
end

local function new_agent(id)
  local a = {id = id, chosen = 'connected', present = false, status = 'disconnected', status_since_at = now,
    assigned = 0, departments = ' ', load = 0, pending = call('ZCARD', P .. 'pending:' .. id), owned = ' ', extra = NO_EXTRA,
    load_before = 0, pending_before = 0, available_before = false, status_before = 'disconnected'}
  agents[id] = a
  call('SADD', P .. 'agents', id)
  call('ZREM', P .. 'removed', 'a' .. id)
  touch(a)
  return a
end

local function describe(a, name, role, departments, capacity)
  if a.name == name and a.role == role and a.departments == departments and a.capacity == capacity then return end
  touch(a)
  a.described, a.departments_before, a.unchanged = true, a.departments_before or a.departments, nil
  a.name, a.role, a.departments, a.capacity, a.profile_at = name, role, departments, capacity, now
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

-- Which is newer counts: what a token says, or what was written into the directory since it was issued; in seconds.
local function is_newer(claims, a)
  return (claims.iat or 0) >= (a.extra.described_at or 0)
end

local function described(a, at)
  if at > (a.extra.described_at or 0) then
    touch(a)
    set_extra(a, 'described_at', at)
  end
end

-- What was removed (aID, dID) stays so for the tokens that were issued before.
local function note_removal(name)
  call('ZADD', P .. 'removed', now, name)
  call('ZREMRANGEBYRANK', P .. 'removed', 0, -REMOVED_MAX - 1)
end

local function is_removed(name, claims)
  local at = call('ZSCORE', P .. 'removed', name)
  return at and (claims.iat or 0) < math.floor(at / 1000)
end

-- Tell an agent that its status, or its role, was changed: `by` is nil where the system did.
local function notice(a, by, reason)
  a.notice = {a.id, by and by.id or false, by and by.name or false, reason or false}
end

-- Say why an agent has its status, until when, and whose choice it was.
local function explain_status(a, reason, until_at, by)
  local extra, author = a.extra, by and {by.id, by.name}
  local before = extra.status_by or {}
  if extra.status_reason == reason and extra.status_until_at == until_at
      and before[1] == (author or {})[1] and before[2] == (author or {})[2] then
    return
  end
  touch(a)
  a.described = true
  set_extra(a, 'status_reason', reason)
  set_extra(a, 'status_until_at', until_at)
  set_extra(a, 'status_by', author or nil)
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
  if not row then call('ZREM', P .. 'removed', 'd' .. id) end
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

local require_space_for, claim_agent
do

-- The departments that a token names, but for those that were removed after it was issued.
local function departments_of(claims)
  local named = {}
  for _, id in ipairs(claims.departments or {}) do
    local is_there = call('SISMEMBER', P .. 'departments', id) == 1
    if is_there or not is_removed('d' .. id, claims) then named[#named + 1] = {id = id, is_there = is_there} end
  end
  return named
end

-- There is space for what `claim_agent` would make.
function require_space_for(claims)
  local a = find_agent(claims.id)
  if not a then require_space('agents', call('SCARD', P .. 'agents'), 1) end
  if a and (claims.again or not is_newer(claims, a)) then return end
  local adds = 0
  for _, department in ipairs(departments_of(claims)) do
    if not department.is_there then
      require_left(department.id)
      adds = adds + 1
    end
  end
  if adds > 0 then require_space('departments', call('SCARD', P .. 'departments'), adds) end
end

-- The agent of a hello: made or updated by its token's claims, if these are newer. The departments that a token names
-- need not exist yet; but a connection that is only registered again brings back nothing that was removed or changed since.
function claim_agent(claims)
  local a = find_agent(claims.id)
  if a and claims.again then return a end
  if a and not is_newer(claims, a) then return a end
  local departments
  if claims.departments then
    departments = {}
    for i, department in ipairs(departments_of(claims)) do
      departments[i] = department.id
      if not department.is_there then put_department(department.id, name_from(department.id)) end
    end
    departments = text_of(departments)
  end
  if not a then
    a = new_agent(claims.id)
    describe(a, claims.name or name_from(claims.id), claims.role, departments or ' ', claims.capacity or CAPACITY_DEFAULT)
  else
    if a.role ~= claims.role then notice(a) end
    describe(a, claims.name or a.name, claims.role, departments or a.departments, claims.capacity or a.capacity)
  end
  described(a, claims.iat or 0)
  return a
end

end

-- The role that counts is the newer of the token's and the directory's; of a connection that is the directory's, which
-- has taken its token's claims. What was removed after its token was issued may do nothing, over HTTP either.
local function authorize()
  local by = request.by
  if not by then return end
  if by.role ~= 'service' then
    local a = find_agent(by.id)
    if a then
      if by.attached or not is_newer(by, a) then by.role = a.role end
    elseif not by.attached and is_removed('a' .. by.id, by) then
      reject('forbidden')
    end
  end
  if request.for_admins and by.role == 'agent' then reject('forbidden') end
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
