--[[
Close a session. Its log is kept for a while (limits), then it is gone.

session_id; fence: optional. Rejects not_found, closed, conflict, forbidden.
Result {session}.
]]
store_command('session_close', function()
  local by = caller()
  local s = session_to_change()
  require_owner(s)
  local told = s.state ~= 'in_progress' and s.sender and 'moved' or nil
  if owns(s) then answer(s) end
  move_session(s, 'closed')
  write_record(s, 'placed', 'closed', nil, by)
  publish(s, 'placed', 'closed', told)
  call('PEXPIRE', P .. 'session:' .. s.id, limits.closed_ms)
  for _, id in ipairs(call('ZRANGE', P .. 'state:closed', 0, 1)) do
    if call('EXISTS', P .. 'session:' .. id) == 0 then call('ZREM', P .. 'state:closed', id) end
  end
  return session_result(s)
end)
