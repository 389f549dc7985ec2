--[[
Create or rename a department.

department {id, name}. Rejects forbidden (too many departments).
Result {department}.
]]
store_command('department_put', function()
  caller()
  local put = request.department
  local old = find_department(put.id)
  if not old then require_space('departments', call('HLEN', P .. 'departments'), 1) end
  if not old or old.name ~= put.name then
    local row = old or {id = put.id}
    row.name = put.name
    call('HSET', P .. 'departments', put.id, pack(row))
    departments_touched[put.id] = 'named'
  end
  return function() return {department = call('HGET', P .. 'departments', put.id)} end
end)
