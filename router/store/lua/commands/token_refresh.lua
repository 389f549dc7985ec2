--[[
A connection has a new token: its claims count as those of a hello do.

by: as of a hello. Rejects forbidden (removed, or the tenant has too many departments), unavailable (the agent is not known).
Result {agent}.
]]
store_command('token_refresh', function()
  if not find_agent(request.by.id) then
    reject('unavailable', {reason = 'the store does not know the connection any more'})
  end
  require_space_for(request.by)
  local a = claim_agent(request.by)
  return function()
    local _, row = pack_agent(a)
    return result('agent', row)
  end
end)
