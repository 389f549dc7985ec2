--[[
Read a department, and its settings.

department_id. Rejects not_found.
Result {department, settings, effective}: what it has set itself, and what it or the tenant has set; by name, packed.
]]
store_command('department_get', function()
  caller()
  local id = request.department_id
  local row = find_department(id) or reject('not_found', {department_id = id})
  return function()
    local own, effective = read_settings(id), read_settings()
    for name, packed in pairs(own) do effective[name] = packed end
    return result('department', department_view(row), 'settings', pack_settings(own),
      'effective', pack_settings(effective))
  end
end)
