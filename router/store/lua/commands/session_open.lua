--[[
Open a session, or open a closed one again: its history and fence go on.

session_id; customer {id, name}; target {kind, id}, missing for an admin who takes it itself.
Rejects not_found (the target), exists, at_capacity, forbidden (the tenant has too many).
Result {session}.
]]
store_command('session_open', function()
  local me = caller()
  local target = request.target
  if target then find_party(target) end
  local old = find_session(request.session_id)
  if old and old.state ~= 'closed' then reject('exists') end
  if not target then
    require_room(me)
    if not me then require_space_for(request.by) end
  end
  local open = 0
  for state in pairs(LIST) do open = open + call('ZCARD', P .. 'state:' .. state) end
  require_space('sessions', open, 1)
  local s = {id = request.session_id, opening = pack_opening(request.customer, now), fence = 0, hops = 0,
    entry_count = 0, parts = {transfer = NIL}}
  if old then s.fence, s.entry_count = old.fence, old.entry_count end
  call('ZREM', P .. 'state:closed', s.id)
  call('PERSIST', P .. 'history:' .. s.id)
  local change = change_of(s)
  append_entry(change, s, 'opened', by)
  if target then
    move_session(s, route(target))
  else
    move_session(s, 'in_progress', 'agent', (me or claim_agent(request.by)).id)
  end
  target = target or s.owner
  s.parts.target = pack_owner(target.kind, target.id)
  local record = conclude(s, change)
  return function() return {session = record} end
end)
