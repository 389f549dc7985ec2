--[[
Create or rename a department, and change its settings.

department {id, name}; settings: optional, as of settings_put, with parties.
Rejects forbidden (too many departments), unavailable (one of this id is being removed), not_found (what settings name).
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
  local ruled = false
  if request.settings then
    require_parties(request.parties, put.id)
    ruled = select(2, change_settings(request.settings, put.id))
  end
  if not row or row.name ~= put.name or ruled then put_department(put.id, put.name, row) end
  return function() return result('department', department_view(find_department(put.id))) end
end)
