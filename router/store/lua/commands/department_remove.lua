--[[
Remove a department in which nothing waits. Its members stay, without it; where they are many, they leave it in the
steps that follow.

department_id. Rejects not_found, in_use.
Result {}.
]]
store_command('department_remove', function()
  caller()
  local id = request.department_id
  if not find_department(id) then reject('not_found', {department_id = id}) end
  local queued = call('ZCARD', P .. 'queue:' .. id)
  if queued > 0 then reject('in_use', {queued = queued}) end
  call('HDEL', P .. 'tenant', 'd' .. id)
  call('SREM', P .. 'departments', id)
  note_removal('d' .. id)
  departments_removed[id] = true
  forget_settings(id)
  if not sweeps.leave(id) then due_add(now, 'leave ' .. id) end
  return function() return NOTHING end
end)
