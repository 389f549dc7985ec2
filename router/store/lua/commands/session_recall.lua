--[[
Take back a transfer that still waits: its sender, or an admin.

session_id. Rejects not_found, closed, forbidden, conflict (taken already), no_origin.
Result {session}.
]]
store_command('session_recall', function()
  local by = caller()
  local s = session_to_change()
  if s.sender ~= sender_of(request.by) and by.role ~= 'admin' then reject('forbidden') end
  if s.state == 'in_progress' then conflict(s) end
  require_room_to_write(s)
  give_back(s, 'recalled', by)
  return session_result(s)
end)
