--[[
Say where a queued session stands in its department's queue.

session_id. For who made the transfer, a member of the department, an admin, a back end.
Rejects not_found, closed, conflict (it is in no queue any more), forbidden.
Result {place}, from 1.
]]
store_command('session_place', function()
  local s = session_to_change()
  local id = request.by.id
  local mine = request.by.role ~= 'agent' or s.maker == id
  if s.state ~= 'queued' then
    if mine then conflict(s) end
    reject_moved_on(s)
  end
  local queue = s.owner.id
  if not mine and call('SISMEMBER', P .. 'members:' .. queue, id) == 0 then reject('forbidden') end
  local before = call('ZRANK', P .. 'queue:' .. queue, s.id)
  return function() return {place = before + 1} end
end)
