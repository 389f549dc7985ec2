--[[
Read a session.

session_id. Rejects not_found, forbidden.
Result {session}.
]]
store_command('session_get', function()
  local s = require_session()
  require_reader(s)
  return session_result(s)
end)
