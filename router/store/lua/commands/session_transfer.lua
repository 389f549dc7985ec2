--[[
Transfer a session to an agent or a department.

session_id; target {kind, id}; reason, fence: optional; check: whether only to say what would happen;
force: whether it is in progress with an agent that is connected, whatever its status and capacity (admins, back ends).
Rejects not_found (session or target), closed, conflict, forbidden, same_target, not_allowed.
Result {session}, whose transfer is this one; of a check {outcome, assigned_to, decision}.
]]
store_command('session_transfer', function()
  local target, reason = request.target, request.reason
  local by, me = caller()
  if request.force and by.role == 'agent' then reject('forbidden') end
  local s = session_to_change()
  require_owner(s)
  require_room_to_write(s)
  local to = find_party(target.kind, target.id)
  if s.owner_kind == target.kind and s.owner_id == target.id then reject('same_target') end
  local from = find_party(s.owner_kind, s.owner_id)
  local passed = apply_rule(s, target.kind, target.id, reason, me)
  -- What its owner sends on is answered by that.
  local is_answer = owns(s) and s.state == 'in_progress'
  local state, owner_id, assigned_to, choice = route(target.kind, target.id, s.owner_kind == 'agent' and s.owner_id,
    not is_answer and s or nil)
  enter_target(s, target.kind, target.id)
  local chosen_by = target.kind
  if request.force and state == 'pending' and connected(find_agent(owner_id)) then
    state, chosen_by = 'in_progress', 'forced'
  end
  local decision = decision_of(chosen_by, choice, s)
  if request.check then return check_result(state, assigned_to, decision) end
  -- Another transfer takes the place of one that still waits, and notifies its sender.
  local told, superseded_sender, superseded
  if s.state ~= 'in_progress' and s.sender then
    told, superseded_sender, superseded = 'moved', s.sender, transfer_of(s)
  end
  if owns(s) then answer(s) end
  move_session(s, state, owner_id)
  s.target_kind, s.target_id, s.sender, s.hops = target.kind, target.id, sender_of(request.by), s.hops + 1
  -- Rules bound the transfers by people.
  if by.role == 'service' then set_extra(s, 'hops_free', (s.extra.hops_free or 0) + 1) end
  local transfer = pack_transfer({id = meta.epoch .. '-' .. s.order, from = from, to = to, by = by, reason = reason,
    outcome = OUTCOME[state], assigned_to = assigned_to, at = now, extra = NO_EXTRA})
  write_record(s, 'placed', 'transferred', nil, by, transfer, reason and 2, {passed = passed, decision = decision})
  publish(s, 'placed', 'transferred', told, superseded_sender, superseded)
  return session_result(s)
end)
