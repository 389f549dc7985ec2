--[[
Do nothing. The server refuses even that while it would refuse every other command: it has no room in its memory or on its
disk, loads its data, or follows another server.
]]
redis.register_function(LIBRARY .. '_ready', function() return 'ready' end)
