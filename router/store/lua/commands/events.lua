--[[
Read the events after a position, to mend a gap in the feed.

epoch, after: the position; limit: how many at most.
Result {epoch, seq, events}: events is missing where they are not kept any more or the epoch is another one.
]]
store_command('events', function()
  return function()
    local events
    if request.epoch == epoch and request.after <= seq then
      events = {}
      local rows = call('XRANGE', P .. 'events', (request.after + 1) .. '-0', '+', 'COUNT', request.limit)
      for i, row in ipairs(rows) do events[i] = decode(row[2][2]) end
      if request.after < seq and (not rows[1] or rows[1][1] ~= (request.after + 1) .. '-0') then events = nil end
    end
    return {epoch = epoch, seq = seq, events = events}
  end
end)
