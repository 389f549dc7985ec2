--[[
Read a session.

session_id. Refuses not_found, forbidden.
Result {session}.
]]
verb('session_get', function()
  local s, record = find_session(request.session_id)
  if not s then refuse('not_found', {session_id = request.session_id}) end
  require_owner(s)
  return function() return {session = record} end
end)
