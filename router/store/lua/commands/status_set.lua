--[[
Set an agent's status: the agent itself, or an admin.

agent_id; status; reason, until_at: optional. Rejects forbidden, not_found, bad_message (the settings name the reasons for this
status, and this is none). A pre_pause with nothing in progress is a pause
at once. Nothing happens by itself at until_at.
Result {agent}.
]]
local function require_reason(reason)
  local reasons = reason and setting('reasons') or {}
  for _, one in ipairs(reasons) do
    if one.id == reason and one.status == request.status then return end
  end
  if reasons[1] then reject('bad_message', {path = '$.reason'}) end
end

store_command('status_set', function()
  local by = caller()
  local is_own = request.agent_id == by.id
  if not is_own and by.role ~= 'admin' then reject('forbidden') end
  local a = find_agent(request.agent_id) or reject('not_found', {agent_id = request.agent_id})
  require_reason(request.reason)
  touch(a)
  a.chosen = request.status == 'pre_pause' and a.load == 0 and 'pause' or request.status
  explain_status(a, request.reason, request.until_at, by)
  if not is_own then notice(a, by, request.reason) end
  return function() return result('agent', a.row) end
end)
