--[[
A node renews its lease on this tenant, which also sweeps what is due here.

node_id; lease_ms.
Result {known, epoch, seq, more}: known is false when the lease had run out and the node's connections were reaped;
more says that this step did not do all that is due.
]]
verb('renew', function()
  return function() return {known = lease_known, epoch = epoch, seq = seq, more = more_is_due or false} end
end)
