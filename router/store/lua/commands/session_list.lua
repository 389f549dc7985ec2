--[[
List sessions, those that are longest in their present state first.

state, agent_id, department_id: optional filters; after: the position (order) to go on from; limit.
An agent sees its own sessions and its departments' queues. Rejects not_found, forbidden.
Result {sessions, position}: position is missing at the end.
]]
store_command('session_list', function()
  local state, agent_id, department_id = request.state, request.agent_id, request.department_id
  local me = request.by.role == 'agent' and find_agent(request.by.id)
  if agent_id and not find_agent(agent_id) then reject('not_found', {agent_id = agent_id}) end
  if department_id and not find_department(department_id) then reject('not_found', {department_id = department_id}) end
  local departments = me and me.departments or {}
  if request.by.role == 'agent' then
    local member = not department_id
    for _, id in ipairs(departments) do member = member or id == department_id end
    if (agent_id and agent_id ~= request.by.id) or not member then reject('forbidden') end
  end

  local lists = {}
  local function add(list_state, list)
    if not state or state == list_state then lists[#lists + 1] = P .. list end
  end
  local owner = agent_id or (request.by.role == 'agent' and not department_id and request.by.id)
  if owner then
    add('in_progress', 'owned:' .. owner)
    add('pending', 'pending:' .. owner)
    for _, id in ipairs(not agent_id and departments or {}) do add('queued', 'queue:' .. id) end
  elseif department_id then
    add('queued', 'queue:' .. department_id)
  else
    for _, one in ipairs({'in_progress', 'pending', 'queued', 'closed'}) do add(one, 'state:' .. one) end
  end
  if agent_id and department_id then lists = {} end

  local found = {}
  for _, list in ipairs(lists) do
    local page = call('ZRANGE', list, '(' .. request.after, '+inf', 'BYSCORE', 'LIMIT', 0, request.limit + 1, 'WITHSCORES')
    for i = 1, #page, 2 do found[#found + 1] = {id = page[i], position = tonumber(page[i + 1])} end
  end
  table.sort(found, function(one, other) return one.position < other.position end)
  local ids, sessions = {}, {}
  for i = 1, math.min(#found, request.limit) do ids[i] = found[i].id end
  for _, record in ipairs(find_records(ids)) do
    if record then sessions[#sessions + 1] = record end
  end
  return function()
    return {sessions = sessions, position = found[request.limit + 1] and found[request.limit].position}
  end
end)
