--[[
Take a waiting session: the agent it is pending on, a member of the department it is queued in, or an admin.

session_id; fence: optional. Rejects not_found, closed, conflict, forbidden, at_capacity (never of what is in one's own
pending list).
Result {session}.
]]
store_command('session_accept', function()
  local by, me = caller()
  local s = session_to_change()
  if s.state == 'in_progress' then reject_moved_on(s) end
  local member = s.state == 'queued' and is_member(s.owner_id, by.id)
  if not (owns(s) or member or by.role == 'admin') then reject_moved_on(s) end
  if not owns(s) then require_room(me) end
  if not me then require_space_for(request.by) end
  me = me or claim_agent(request.by)
  local transfer = transfer_of(s)
  if transfer then
    local t = read_transfer(transfer)
    local direct = t.to.kind == 'agent' and t.to.id == me.id
    t.outcome, t.assigned_to = 'assigned', not direct and me.id or nil
    transfer = pack_transfer(t)
  end
  move_session(s, 'in_progress', me.id)
  answer(s)
  begin_grace(me)
  write_record(s, 'placed', 'accepted', nil, by, transfer)
  publish(s, 'placed', 'moved', s.sender and 'accepted')
  return session_result(s)
end)
