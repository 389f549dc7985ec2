--[[
Create or rename a department.

department {id, name}. Rejects forbidden (too many departments), unavailable (one of this id is being removed).
Result {department}.
]]
store_command('department_put', function()
  caller()
  local put = request.department
  local row = find_department(put.id)
  if not row then
    require_left(put.id)
    require_space('departments', call('SCARD', P .. 'departments'), 1)
  end
  if not row or row.name ~= put.name then put_department(put.id, put.name, row) end
  return function() return result('department', call('HGET', P .. 'tenant', 'd' .. put.id)) end
end)
