--[[
Close a session. Its record and history are kept for a while (limits), then they are gone.

session_id; fence: optional. Rejects not_found, closed, conflict, forbidden.
Result {session}.
]]
store_command('session_close', function()
  caller()
  local s = session_to_change()
  require_owner(s)
  local change = change_of(s)
  if s.state ~= 'in_progress' then notify_sender(change, s, 'moved') end
  append_entry(change, s, 'closed', by)
  move_session(s, 'closed')
  local record = conclude(s, change, 'closed')
  call('PEXPIRE', P .. 'session:' .. s.id, limits.closed_ms)
  call('PEXPIRE', P .. 'history:' .. s.id, limits.closed_ms)
  for _, id in ipairs(call('ZRANGE', P .. 'state:closed', 0, 1)) do
    if call('EXISTS', P .. 'session:' .. id) == 0 then call('ZREM', P .. 'state:closed', id) end
  end
  return function() return {session = record} end
end)
