--[[
A node renews its lease on this tenant, which also sweeps what is due here.

node_id; lease_ms.
Result {known, epoch, seq, more, connections}: known is false when the lease had run out and the node's connections
were reaped; more says that this step did not do all that is due; connections counts those that are the node's.
]]
store_command('renew', function()
  return function()
    return result('known', pack(lease_known), 'epoch', pack(meta.epoch), 'seq', pack(meta.seq),
      'more', pack(more_is_due or false), 'connections', pack(call('SCARD', P .. 'node:' .. request.node_id)))
  end
end)
