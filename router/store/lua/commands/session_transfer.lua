--[[
Transfer a session to an agent or a department.

session_id; target {kind, id}; reason, fence: optional.
Rejects not_found (session or target), closed, conflict, forbidden, same_target.
Result {session}, whose transfer is this one.
]]
store_command('session_transfer', function()
  local target = request.target
  if target.kind == 'agent' and request.by.role ~= 'service' then find_both(request.by.id, target.id) end
  caller()
  local s = session_to_change()
  require_owner(s)
  require_room_to_write(s)
  local to = find_party(target)
  if s.owner.kind == target.kind and s.owner.id == target.id then reject('same_target') end
  local from = find_party(s.owner)
  local state, kind, id, assigned_to = route(target, s.owner.kind == 'agent' and s.owner.id)
  local change = change_of(s)
  if s.state ~= 'in_progress' then notify_sender(change, s, 'moved', true) end
  -- All of this is replaced, so it need not be taken apart.
  s.parts = {target = pack_owner(target.kind, target.id), by = nil, transfer = nil}
  move_session(s, state, kind, id)
  s.hops, s.maker = s.hops + 1, maker_of(request.by)
  local transfer = pack_transfer(epoch .. '-' .. order, s.id, from, to, by, request.reason, OUTCOME[state], assigned_to,
    now)
  s.parts.transfer = transfer
  append_entry(change, s, 'transferred', by, nil, transfer)
  if request.reason then append_entry(change, s, 'internal', by, request.reason) end
  local record = conclude(s, change, 'transferred')
  return function() return {session = record} end
end)
