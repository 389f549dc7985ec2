--[[
Write an internal note into a session's history.

session_id; text. Rejects not_found, closed, forbidden.
Result {entry}.
]]
store_command('session_note', function()
  local by = caller()
  local s = session_to_change()
  require_owner(s)
  require_room_to_write(s)
  local is_first = owns(s) and answer(s)
  write_record(s, 'written', 'internal', request.text, by)
  publish(s, 'written')
  if is_first then publish(s, 'answered') end
  return function() return result('entry', s.record), 'entry', s end
end)
