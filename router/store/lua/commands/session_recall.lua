--[[
Take back a transfer that is not answered yet: its sender, or an admin.

session_id. Rejects not_found, closed, forbidden, conflict (answered, or back with its sender), no_origin.
Result {session}.
]]
store_command('session_recall', function()
  local by = caller()
  local s = session_to_change()
  if s.sender ~= sender_of(request.by) and by.role ~= 'admin' then reject('forbidden') end
  local is_back = s.owner_kind == 'agent' and s.owner_id == s.sender
  if is_back or (s.state == 'in_progress' and (s.answered_at or not s.sender)) then conflict(s) end
  require_room_to_write(s)
  give_back(s, 'recalled', by)
  return session_result(s)
end)
