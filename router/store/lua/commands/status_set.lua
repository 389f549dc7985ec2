--[[
Set an agent's status.

agent_id; status. Refuses not_found. A pre_pause with nothing in progress is a pause at once.
Result {agent}.
]]
verb('status_set', function()
  caller()
  local a = find_agent(request.agent_id) or refuse('not_found', {agent_id = request.agent_id})
  touch(a)
  a.chosen = request.status
  return function() return {agent = a.packed} end
end)
