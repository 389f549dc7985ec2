--[[
A node renews its lease on this tenant, which also sweeps what is due here.

node_id; lease_ms.
Result {known, epoch, seq, due_in_ms, connections}: known is false when the lease had run out and the node's connections
were reaped; due_in_ms is when the next thing is due, at most 0 where this step did not do all that is; connections counts
those that are the node's.
]]
store_command('renew', function()
  local due_in_ms = due_in()
  return function()
    return result('known', pack(lease_known), 'epoch', pack(meta.epoch), 'seq', pack(meta.seq),
      'due_in_ms', pack(due_in_ms), 'connections', pack(call('SCARD', P .. 'node:' .. request.node_id)))
  end
end)
