--[[
A client has the session that was assigned to its agent: the first to say so is told to who made the transfer.

session_id; fence. What is out of date is ignored.
Result {}.
]]
store_command('session_ack', function()
  local s = find_session(request.session_id)
  if s and s.state == 'in_progress' and owns(s) and s.fence == request.fence and s.maker and not s.delivered then
    s.delivered = true
    local change = change_of(s)
    change.session = save(s, change)
    notify_sender(change, s, 'delivered')
  end
  return function() return {} end
end)
