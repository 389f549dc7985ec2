--[[
Rewrite records of a tenant that no node serves, where the store's schema has grown: a step of what is due there.

Result {more}: whether there is more to do at once.
]]
store_command('migrate', function()
  return function() return result('more', pack(more_is_due or false)) end
end)
