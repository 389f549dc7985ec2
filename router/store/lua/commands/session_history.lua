--[[
Read entries of a session's history, oldest first.

session_id; after: an entry's seq; limit. Rejects not_found, forbidden.
Result {entries, more}.
]]
store_command('session_history', function()
  local s = find_session(request.session_id) or reject('not_found', {session_id = request.session_id})
  require_owner(s)
  local entries = call('LRANGE', P .. 'history:' .. s.id, request.after, request.after + request.limit - 1)
  return function() return {entries = entries, more = request.after + #entries < s.entry_count} end
end)
