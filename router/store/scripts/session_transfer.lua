--[[
Transfer a session to an agent or a department.

session_id; target {kind, id}; reason, fence: optional.
Refuses not_found (session or target), closed, conflict, forbidden, same_target.
Result {session}, whose transfer is this one.
]]
verb('session_transfer', function()
  local target = request.target
  if target.kind == 'agent' and request.by.role ~= 'service' then find_both(request.by.id, target.id) end
  caller()
  local s = session_to_change()
  require_owner(s)
  require_room_to_write(s)
  local to = find_party(target)
  if s.owner.kind == to.kind and s.owner.id == to.id then refuse('same_target') end
  local from = find_party(s.owner)
  local state, kind, id, assigned_to = route(target, s.owner.kind == 'agent' and s.owner.id)
  local change = change_of(s)
  if s.state ~= 'in_progress' then tell_maker(change, s, 'moved', true) end
  place(s, state, kind, id)
  s.hops, s.target = s.hops + 1, target
  s.transfer = {id = epoch .. '-' .. order, session_id = s.id, from = from, to = to, by = by, reason = request.reason,
    outcome = OUTCOME[state], assigned_to = assigned_to, at = now}
  append_entry(change, s, 'transferred', by, nil, s.transfer)
  if request.reason then append_entry(change, s, 'internal', by, request.reason) end
  local record = conclude(s, change, 'transferred')
  return function() return {session = record} end
end)
