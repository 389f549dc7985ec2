--[[
A client said hello: its connection is now one of its agent's, and the agent is present.

agent_id is by.id; node_id, connection_id: which connection; lease_ms: how long the node vouches for it;
connections_max: how many an agent may have.
Result {agent, known, epoch, seq, in_progress, pending}: known is false when the node held no lease (any more).
Rejects rate_limited when the agent has too many connections, forbidden when the tenant has too many agents.
]]
store_command('connect', function()
  local id = request.by.id
  local connections = P .. 'connections:' .. id
  local connection = request.node_id .. ' ' .. request.connection_id
  if call('SCARD', connections) >= request.connections_max and call('SISMEMBER', connections, connection) == 0 then
    reject('rate_limited', {connections_max = request.connections_max, retry_in_ms = 10000})
  end
  require_space_for(request.by)
  call('SADD', connections, connection)
  call('SADD', P .. 'node:' .. request.node_id, id .. ' ' .. request.connection_id)
  due_remove('presence ' .. id, 'sessions ' .. id)
  local a = claim_agent(request.by)
  -- An agent back within the grace, or with another device, mostly changes nothing that is kept.
  if not a.present then
    touch(a)
    a.present = true
  end
  return function()
    local _, row = pack_agent(a)
    local pending = call('ZRANGE', P .. 'pending:' .. id, 0, INBOX_MAX - 1)
    return result('agent', row, 'known', pack(lease_known), 'epoch', pack(meta.epoch), 'seq', pack(meta.seq),
      'in_progress', pack_list(views_of(owned_by(a, INBOX_MAX))), 'pending', pack_list(views_of(pending)))
  end
end)
