--[[
A connection of an agent is gone.

agent_id, node_id, connection_id: which; clean: closed with 1000, so that the first grace is skipped.
Result {}.
]]
store_command('disconnect', function()
  call('SREM', P .. 'node:' .. request.node_id, request.agent_id .. ' ' .. request.connection_id)
  remove_connection(request.agent_id, request.node_id, request.connection_id, now, request.clean)
  return function() return NOTHING end
end)
