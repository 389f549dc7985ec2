--[[
Read what the tenant has set.

Result {settings}: each setting by its name, packed.
]]
store_command('settings_get', function()
  caller()
  return function() return result('settings', pack_settings(read_settings())) end
end)
