--[[
Decline a session of one's own pending list: it goes back to its previous owner, else to the department it came from.

session_id; reason: optional, the text of the history's entry.
Rejects not_found, closed, forbidden, conflict (it has moved on, or has no previous owner or department).
Result {session}.
]]
store_command('session_decline', function()
  local by = caller()
  local s = session_to_change()
  if s.state ~= 'pending' or not owns(s) then reject_moved_on(s) end
  require_room_to_write(s)
  give_back(s, 'declined', by, request.reason)
  return session_result(s)
end)
