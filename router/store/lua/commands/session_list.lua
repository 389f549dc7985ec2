--[[
List sessions, those that are longest in their present state, or with their present owner, first.

state, agent_id, department_id: optional filters; after: the position to go on from; limit.
An agent sees its own sessions and its departments' queues. Rejects not_found, forbidden.
Result {sessions, position}: position is missing at the end.
]]
local function find_page(lists, after, most)
  local found = {}
  for _, list in ipairs(lists) do
    local page = call('ZRANGE', list, '(' .. after, '+inf', 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES')
    for i = 1, #page, 2 do found[#found + 1] = {id = page[i], position = tonumber(page[i + 1])} end
  end
  return found
end

-- What an agent has in progress stands in its record without positions: those are in the sessions.
local function add_owned(found, a, after)
  for id in ids_of(a.owned or '') do
    local s = find_session(id)
    if s and s.order > after then found[#found + 1] = {id = id, position = s.order} end
  end
end

store_command('session_list', function()
  local state, agent_id, department_id = request.state, request.agent_id, request.department_id
  local me = request.by.role == 'agent' and find_agent(request.by.id)
  if agent_id and not find_agent(agent_id) then reject('not_found', {agent_id = agent_id}) end
  if department_id and not find_department(department_id) then reject('not_found', {department_id = department_id}) end
  local departments = me and me.departments or ' '
  if request.by.role == 'agent' then
    local member = not department_id or has_id(departments, department_id)
    if (agent_id and agent_id ~= request.by.id) or not member then reject('forbidden') end
  end

  local lists, owner = {}, agent_id or (request.by.role == 'agent' and not department_id and request.by.id)
  local function add(list_state, list)
    if not state or state == list_state then lists[#lists + 1] = P .. list end
  end
  if owner then
    add('in_progress', 'owned:' .. owner)
    add('pending', 'pending:' .. owner)
    if not agent_id then
      for id in ids_of(departments) do add('queued', 'queue:' .. id) end
    end
  elseif department_id then
    add('queued', 'queue:' .. department_id)
  else
    for _, one in ipairs(STATES) do add(one, 'state:' .. one) end
  end
  if agent_id and department_id then lists, owner = {}, nil end

  local found = find_page(lists, request.after, request.limit + 1)
  local a = owner and (not state or state == 'in_progress') and find_agent(owner)
  if a then add_owned(found, a, request.after) end
  table.sort(found, function(one, other) return one.position < other.position end)
  local ids = {}
  for i = 1, math.min(#found, request.limit) do ids[i] = found[i].id end
  return function()
    local sessions = pack_list(views_of(ids))
    if not found[request.limit + 1] then return result('sessions', sessions) end
    return result('sessions', sessions, 'position', pack(found[request.limit].position))
  end
end)
