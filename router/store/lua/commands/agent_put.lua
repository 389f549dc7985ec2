--[[
Create or update an agent.

agent {id, name, role, departments, capacity}. Rejects not_found (a department), forbidden (too many agents).
Result {agent}.
]]
store_command('agent_put', function()
  local by = caller()
  local put = request.agent
  for _, id in ipairs(put.departments) do
    if not find_department(id) then reject('not_found', {department_id = id}) end
  end
  local a = find_agent(put.id)
  if not a then require_space('agents', call('SCARD', P .. 'agents'), 1) end
  a = a or new_agent(put.id)
  touch(a)
  if a.role and a.role ~= put.role then notice(a, by) end
  described(a, math.floor(now / 1000))
  describe(a, put.name, put.role, text_of(put.departments), put.capacity)
  return function() return result('agent', a.row) end
end)
