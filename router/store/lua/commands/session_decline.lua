--[[
Decline a session of one's own pending list, or one in progress that is not answered yet: it is given back (`give_back`).

session_id; reason: optional, the text of the history's entry.
Rejects not_found, closed, forbidden, conflict (it has moved on), no_origin (no agent had it
before, it has no department, and the tenant names no last resort).
Result {session}.
]]
store_command('session_decline', function()
  local by = caller()
  local s = session_to_change()
  if not owns(s) or s.answered_at then reject_moved_on(s) end
  require_room_to_write(s)
  give_back(s, 'declined', by, request.reason)
  return session_result(s)
end)
