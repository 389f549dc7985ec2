--[[
Write an internal note into a session's history.

session_id; text. Rejects not_found, closed, forbidden.
Result {entry}.
]]
store_command('session_note', function()
  caller()
  local s = session_to_change()
  require_owner(s)
  require_room_to_write(s)
  local change = change_of(s)
  local entry = append_entry(change, s, 'internal', by, request.text)
  save(s, change)
  return function() return {entry = entry} end
end)
