--[[
Remove an agent that has no sessions.

agent_id. Rejects not_found, in_use.
Result {}.
]]
store_command('agent_remove', function()
  caller()
  local id = request.agent_id
  local a = find_agent(id) or reject('not_found', {agent_id = id})
  if a.load + a.pending > 0 then reject('in_use', {in_progress = a.load, pending = a.pending}) end
  for department_id in ids_of(a.departments) do
    call('SREM', P .. 'members:' .. department_id, id)
    call('ZREM', P .. 'available:' .. department_id, id)
    touch_department(department_id)
  end
  for _, connection in ipairs(call('SMEMBERS', P .. 'connections:' .. id)) do
    local node_id, connection_id = string.match(connection, '^(%S+) (%S+)$')
    call('SREM', P .. 'node:' .. node_id, id .. ' ' .. connection_id)
  end
  call('DEL', P .. 'connections:' .. id)
  call('UNLINK', P .. 'had:' .. id)
  call('SREM', P .. 'agents', id)
  call('HDEL', P .. 'tenant', 'a' .. id)
  due_remove('presence ' .. id, 'sessions ' .. id, 'drain ' .. id)
  note_removal('a' .. id)
  a.removed, agents[id] = true, false
  agents_removed[#agents_removed + 1] = id
  return function() return NOTHING end
end)
