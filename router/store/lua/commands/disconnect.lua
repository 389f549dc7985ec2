--[[
A connection of an agent is gone.

agent_id, node_id, connection_id: which; clean: closed with 1000, so that the first grace is skipped.
Result {due_in_ms}: as of renew.
]]
store_command('disconnect', function()
  call('SREM', P .. 'node:' .. request.node_id, request.agent_id .. ' ' .. request.connection_id)
  remove_connection(request.agent_id, request.node_id, request.connection_id, now, request.clean)
  local due_in_ms = due_in()
  return function() return result('due_in_ms', pack(due_in_ms)) end
end)
