--[[
Take a waiting session: the agent it is pending on, a member of the department it is queued in, or an admin.

session_id; fence: optional. Rejects not_found, closed, conflict, forbidden, at_capacity.
Result {session}.
]]
store_command('session_accept', function()
  local me = caller()
  local s = session_to_change()
  if s.state == 'in_progress' then reject_moved_on(s) end
  local member = s.state == 'queued' and call('SISMEMBER', P .. 'members:' .. s.owner.id, request.by.id) == 1
  if not (owns(s) or member or request.by.role == 'admin') then reject_moved_on(s) end
  require_room(me)
  if not me then require_space_for(request.by) end
  local change = change_of(s)
  me = me or claim_agent(request.by)
  move_session(s, 'in_progress', 'agent', me.id)
  local transfer = decode(s.parts.transfer)
  if transfer then
    local direct = transfer.to.kind == 'agent' and transfer.to.id == me.id
    transfer.outcome, transfer.assigned_to = 'assigned', not direct and me.id or nil
    s.parts.transfer = pack(transfer)
  end
  append_entry(change, s, 'accepted', by)
  notify_sender(change, s, 'accepted')
  local record = conclude(s, change, 'moved')
  return function() return {session = record} end
end)
