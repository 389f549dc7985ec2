--[[
Change the tenant's settings.

settings: by name, each packed, or false for the default; parties: {kind, id} of all that they name.
Rejects not_found (a department or an agent).
Result {settings}: all that is set, by name, packed.
]]
store_command('settings_put', function()
  caller()
  require_parties(request.parties)
  local kept
  kept, rule_changed = change_settings(request.settings)
  return function() return result('settings', pack_settings(kept)) end
end)
