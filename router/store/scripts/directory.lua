--[[
Read the whole directory at one position of the feed.

Result {epoch, seq, departments, agents}.
]]
verb('directory', function()
  return function()
    return {epoch = epoch, seq = seq, departments = call('HVALS', P .. 'departments'),
      agents = call('HVALS', P .. 'agents')}
  end
end)
