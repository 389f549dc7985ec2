--[[
Read the records of a session's log that hold the entries after a number, oldest first.

session_id; after: an entry's seq; limit. Rejects not_found, forbidden.
Result {records, last, after, limit}: records that hold at least the entries after+1 to after+limit, as far as there are so many
and PAGE_BYTES_MAX allows, but the first one in any case; last is the seq of the last entry of all; after and limit are the request's.
]]

-- About what the router encodes in a millisecond. A longer reply would delay the messages of all others by as much.
local PAGE_BYTES_MAX, RUN = 256 * 1024, 20

-- Up to `count` records from an index on, until they have PAGE_BYTES_MAX bytes.
local function records_from(key, first, count)
  local records, bytes, at = {}, 0, first
  while true do
    local run = call('LRANGE', key, at, math.min(at + RUN, first + count) - 1)
    for _, record in ipairs(run) do
      bytes = bytes + #record
      if bytes > PAGE_BYTES_MAX and #records > 0 then return records end
      records[#records + 1] = record
    end
    at = at + RUN
    if #run < RUN or at >= first + count then return records end
  end
end

store_command('session_history', function()
  local s = require_session()
  require_reader(s)
  return function()
    local key = P .. 'session:' .. s.id
    local first = first_record_after(key, request.after, s.index)
    local records = records_from(key, first, request.limit)
    return result('records', pack_list(records), 'last', pack(s.entry_count), 'after', pack(request.after),
      'limit', pack(request.limit))
  end
end)
