--[[
A client said hello: its connection is now one of its agent's, and the agent is present.

agent_id is by.id; node_id, connection_id: which connection; lease_ms: how long the node vouches for it;
connections_max: how many an agent may have; one more takes the place of another, which the event names. silent: connections of
this node that answer no ping.
Result {agent, known, epoch, seq, in_progress, pending, left}: known is false when the node held no lease (any more); left
are the ids of the sessions for which this step has no room: `inbox` reads them.
Rejects forbidden when the tenant has too many agents.
]]
-- Sessions of each kind in a welcome, and how many of them a step reads.
local INBOX_MAX, STEP_MAX = 1000, 100

local function move_rest(ids, left)
  for i = STEP_MAX + 1, #ids do left[#left + 1], ids[i] = ids[i], nil end
end

-- The connection that gives way: the oldest of those that answer no ping, else the oldest. Its id begins with the time at which
-- it was opened; that of an earlier release has none, and is older.
local function oldest(connections)
  local silent, found, lowest = {}, nil, nil
  for _, id in ipairs(request.silent or NO_EXTRA) do silent[request.node_id .. ' ' .. id] = true end
  for _, connection in ipairs(connections) do
    local opened = string.match(connection, ' (%x+)%-') or ''
    local rank = (silent[connection] and '0' or '1') .. opened .. ' ' .. connection
    if not lowest or rank < lowest then found, lowest = connection, rank end
  end
  return found
end

-- Make room for another connection of an agent.
local function replace_connections(a, most)
  local key = P .. 'connections:' .. a.id
  for _ = most, call('SCARD', key) do
    local connection = oldest(call('SMEMBERS', key))
    local node_id, connection_id = string.match(connection, '^(%S+) (%S+)$')
    call('SREM', key, connection)
    call('SREM', P .. 'node:' .. node_id, a.id .. ' ' .. connection_id)
    a.replaced = a.replaced or {}
    a.replaced[#a.replaced + 1] = connection_id
    touch(a)
  end
end

store_command('connect', function()
  local id = request.by.id
  local connections = P .. 'connections:' .. id
  local connection = request.node_id .. ' ' .. request.connection_id
  local is_over = call('SCARD', connections) >= request.connections_max and call('SISMEMBER', connections, connection) == 0
  require_space_for(request.by)
  if is_over then replace_connections(find_agent(id) or claim_agent(request.by), request.connections_max) end
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
