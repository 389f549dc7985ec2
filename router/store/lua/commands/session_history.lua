--[[
Read the records of a session's log that hold the entries after a number, oldest first.

session_id; after: an entry's seq; limit. Rejects not_found, forbidden.
Result {records, last, after, limit}: records that hold at least the entries after+1 to after+limit, as far as there are so many;
last is the seq of the last entry of all; after and limit are the request's.
]]

-- The first record that holds entries after `seq`. A record is one entry or two, so it is no later than that number.
local function first_record_after(key, seq, last)
  local first = 0
  last = math.min(last, seq)
  while first < last do
    local middle = math.floor((first + last) / 2)
    local s = read_session(call('LINDEX', key, middle))
    if s and s.entry_count > seq then last = middle else first = middle + 1 end
  end
  return first
end

store_command('session_history', function()
  local s = require_session()
  require_owner(s)
  return function()
    local key = P .. 'session:' .. s.id
    local first = first_record_after(key, request.after, s.index)
    local records = call('LRANGE', key, first, first + request.limit - 1)
    return result('records', pack_list(records), 'last', pack(s.entry_count), 'after', pack(request.after),
      'limit', pack(request.limit))
  end
end)
