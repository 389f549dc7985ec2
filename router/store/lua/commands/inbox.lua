--[[
Read sessions of the caller's inbox: those of them that are still in progress with it, or pending on it.

session_ids: at most as many as `connect` reads of each kind.
Result {in_progress, pending}.
]]
store_command('inbox', function()
  return function()
    local found = {in_progress = {}, pending = {}}
    for _, id in ipairs(request.session_ids) do
      local s = find_session(id)
      if s and owns(s) then table.insert(found[s.state], view_of(s)) end
    end
    return result('in_progress', pack_list(found.in_progress), 'pending', pack_list(found.pending))
  end
end)
