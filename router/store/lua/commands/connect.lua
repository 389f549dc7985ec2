--[[
A client said hello: its connection is now one of its agent's, and the agent is present.

agent_id is by.id; node_id, connection_id: which connection; lease_ms: how long the node vouches for it;
connections_max: how many an agent may have.
Result {agent, known, epoch, seq, in_progress, pending, left}: known is false when the node held no lease (any more); left
are the ids of the sessions for which this step has no room: `inbox` reads them.
Rejects rate_limited when the agent has too many connections, forbidden when the tenant has too many agents.
]]
-- Sessions of each kind in a welcome, and how many of them a step reads.
local INBOX_MAX, STEP_MAX = 1000, 100

local function move_rest(ids, left)
  for i = STEP_MAX + 1, #ids do left[#left + 1], ids[i] = ids[i], nil end
end

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
  bring_back(a)
  return function()
    local _, row = pack_agent(a)
    local in_progress, pending = owned_by(a, INBOX_MAX), call('ZRANGE', P .. 'pending:' .. id, 0, INBOX_MAX - 1)
    local left = {}
    move_rest(in_progress, left)
    move_rest(pending, left)
    return result('agent', row, 'known', pack(lease_known), 'epoch', pack(meta.epoch), 'seq', pack(meta.seq),
      'in_progress', pack_list(views_of(in_progress)), 'pending', pack_list(views_of(pending)),
      'left', pack_ids(left))
  end
end)
