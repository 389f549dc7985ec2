--[[
Read the events after a position, to repair a gap in the feed.

epoch, after: the position; limit: how many at most.
Result {epoch, seq, events}: the events as they were published; nil where they are not kept any more or the epoch is
another one.
]]
store_command('events', function()
  return function()
    local events
    if request.epoch == meta.epoch and request.after <= meta.seq and meta.seq - request.after <= meta.ring then
      local fields = {}
      for seq = request.after + 1, math.min(request.after + request.limit, meta.seq) do
        fields[#fields + 1] = seq % meta.ring
      end
      events = fields[1] and call('HMGET', P .. 'tenant', unpack(fields)) or {}
    end
    return result('epoch', pack(meta.epoch), 'seq', pack(meta.seq), 'events', pack(events))
  end
end)
