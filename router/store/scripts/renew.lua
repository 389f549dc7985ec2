--[[
A node renews its lease on this tenant, which also sweeps what is due here.

node_id; lease_ms.
Result {known, epoch, seq}: known is false when the lease had run out and the node's connections were reaped.
]]
verb('renew', function()
  return function() return {known = lease_known, epoch = epoch, seq = seq} end
end)
