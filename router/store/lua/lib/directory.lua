--[[
Agents and departments: read once per step, described by commands and tokens, bounded in number.
]]
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
  if most and has + adds > most then reject('forbidden', {[what .. '_max'] = most}) end
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
    if not claims.epoch or claims.epoch == epoch then reject('forbidden') end
    reject('unavailable', {reason = 'the store does not know the connection any more'})
  end
  by = pack_actor(claims.id, a and a.name or claims.name or claims.id, claims.role)
  return a
end

-- Who takes a session itself needs room for it; who is not in the directory yet, by what its token claims.
local function require_room(me)
  local load, capacity = 0, request.by.capacity or CAPACITY_DEFAULT
  if me then load, capacity = load_of(me), me.capacity end
  if load >= capacity then reject('at_capacity') end
end
