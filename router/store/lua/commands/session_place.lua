--[[
Say where a queued session stands in its department's queue.

session_id. For the sender of the transfer, a member of the department, an admin, a back end.
Rejects not_found, closed, conflict (it is in no queue any more), forbidden.
Result {place}, from 1.
]]
store_command('session_place', function()
  local s = session_to_change()
  local id = request.by.id
  local mine = request.by.role ~= 'agent' or s.sender == id
  if s.state ~= 'queued' then
    if mine then conflict(s) end
    reject_moved_on(s)
  end
  if not mine and not is_member(s.owner_id, id) then reject('forbidden') end
  local before = call('ZRANK', P .. 'queue:' .. s.owner_id, s.id)
  return function() return result('place', pack((before or 0) + 1)) end
end)
