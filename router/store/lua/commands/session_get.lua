--[[
Read a session.

session_id. Rejects not_found, forbidden.
Result {session}.
]]
store_command('session_get', function()
  local s, record = find_session(request.session_id)
  if not s then reject('not_found', {session_id = request.session_id}) end
  require_owner(s)
  return function() return {session = record} end
end)
