--[[
Open a session, or open a closed one again: its history and fence go on.

session_id; customer {id, name}; target {kind, id}, missing for an admin that takes it itself; reopen: false where a closed
one that is still kept is not to be opened. Rejects not_found (the target), exists (with the session), at_capacity, forbidden
(the tenant has too many).
attributes: packed; without them a closed session keeps those that it had. check: whether only to say what would happen. Result {session}; of a check {outcome, assigned_to, decision}.
]]
store_command('session_open', function()
  local by, me = caller()
  local target, id = request.target, request.session_id
  if target then find_party(target.kind, target.id) end
  local old = find_session(id)
  if old == false then fail_unreadable(id) end
  if old and (old.state ~= 'closed' or request.reopen == false) then reject('exists', nil, view_of(old)) end
  if not target then
    require_room(me)
    if not me then require_space_for(request.by) end
  end
  local open = 0
  for _, state in ipairs(STATES) do
    if state ~= 'closed' then open = open + call('ZCARD', P .. 'state:' .. state) end
  end
  require_space('sessions', open, 1)
  if request.check then
    if not target then return check_result('in_progress') end
    local state, _, assigned_to, choice = route(target.kind, target.id)
    return check_result(state, assigned_to, decision_of(target.kind, choice))
  end
  local s = {id = id, customer_id = request.customer.id, customer_name = request.customer.name, opened_at = now,
    hops = 0, fence = 0, entry_count = 0, index = -1, transfer_at = -1, placed_at = -1, owner_id = nil, extra = NO_EXTRA,
    -- The list of closed ones may hold it still where its record is gone.
    state = 'closed'}
  if old then
    s.schema, s.fence, s.entry_count, s.index = old.schema, old.fence, old.entry_count, old.index
    s.routed, s.customer_before = old.department, old.customer_id
  end
  local attributes = request.attributes
  if attributes == nil then attributes = old and old.extra.attributes end
  if attributes then set_extra(s, 'attributes', attributes) end
  call('PERSIST', P .. 'session:' .. id)
  local decision
  if target then
    s.target_kind, s.target_id = target.kind, target.id
    enter_target(s, target.kind, target.id)
    local state, owner_id, _, choice = route(target.kind, target.id)
    decision = decision_of(target.kind, choice, s)
    move_session(s, state, owner_id)
  else
    me = me or claim_agent(request.by)
    s.target_kind, s.target_id = 'agent', me.id
    enter_department(s, department_with(me))
    move_session(s, 'in_progress', me.id)
    answer(s)
    begin_grace(me)
  end
  write_record(s, 'placed', 'opened', nil, by, nil, nil, {decision = decision})
  publish(s, 'placed')
  return session_result(s)
end)
