--[[
Set an agent's status.

agent_id; status. Rejects not_found. A pre_pause with nothing in progress is a pause at once.
Result {agent}.
]]
store_command('status_set', function()
  caller()
  local a = find_agent(request.agent_id) or reject('not_found', {agent_id = request.agent_id})
  touch(a)
  a.chosen = request.status
  return function() return result('agent', a.row) end
end)
