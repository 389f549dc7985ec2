--[[
The owner of a session in progress opens it: the first time is its answer.

session_id; fence: optional. Rejects not_found, closed, conflict, forbidden.
Result {session}.
]]
store_command('session_answer', function()
  caller()
  local s = session_to_change()
  if not owns(s) then reject('forbidden') end
  if answer(s) then
    rewrite_head(s)
    publish(s, 'answered')
  end
  return session_result(s)
end)
