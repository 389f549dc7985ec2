--[[
Remove a department in which nothing waits. Its members stay, without it.

department_id. Rejects not_found, in_use.
Result {}.
]]
store_command('department_remove', function()
  caller()
  local id = request.department_id
  if not find_department(id) then reject('not_found', {department_id = id}) end
  if call('ZCARD', P .. 'queue:' .. id) > 0 then reject('in_use') end
  for _, agent_id in ipairs(call('SMEMBERS', P .. 'members:' .. id)) do
    local a = find_agent(agent_id)
    local departments = {}
    for _, other in ipairs(a.departments) do
      if other ~= id then departments[#departments + 1] = other end
    end
    local _, _, _, _, _, role = decode(a.packed)
    describe(a, a.name, role, departments, a.capacity)
  end
  call('HDEL', P .. 'departments', id)
  departments_removed[id] = true
  return function() return {} end
end)
