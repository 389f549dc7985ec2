--[[
Read an agent.

agent_id. Rejects not_found.
Result {agent}.
]]
store_command('agent_get', function()
  caller()
  local a = find_agent(request.agent_id) or reject('not_found', {agent_id = request.agent_id})
  return function()
    local _, row = pack_agent(a)
    return result('agent', row)
  end
end)
