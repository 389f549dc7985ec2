--[[
Replace what is kept with a session: its owner, an admin or a back end.

session_id; attributes: packed, false for none; missing where they stay. Rejects not_found, closed, forbidden.
Result {session}.
]]
store_command('session_update', function()
  caller()
  local s = session_to_change()
  require_owner(s)
  local attributes = request.attributes
  if attributes ~= nil and (attributes or nil) ~= s.extra.attributes then
    set_extra(s, 'attributes', attributes or nil)
    rewrite_head(s)
    publish(s, 'updated')
  end
  return session_result(s)
end)
