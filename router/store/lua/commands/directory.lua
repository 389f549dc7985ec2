--[[
Read the whole directory at one position of the feed.

Result {epoch, seq, before, departments, agents}: before is the epoch and the seq at which the store was when this
epoch began, empty where it held nothing.
]]
store_command('directory', function()
  return function()
    return {epoch = epoch, seq = seq, before = call('HGET', P .. 'meta', 'before') or '', departments = call('HVALS', P .. 'departments'),
      agents = call('HVALS', P .. 'agents')}
  end
end)
