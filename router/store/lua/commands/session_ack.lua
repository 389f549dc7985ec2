--[[
A client has the session that was assigned to its agent: the first ack notifies the sender of the transfer.

session_id; fence. What is out of date is ignored.
Result {}.
]]
store_command('session_ack', function()
  local s = find_session(request.session_id)
  if s and s.state == 'in_progress' and owns(s) and s.fence == request.fence and s.sender and not s.delivered then
    s.delivered = true
    rewrite_head(s)
    publish(s, 'delivered', nil, 'delivered')
  end
  return function() return NOTHING end
end)
