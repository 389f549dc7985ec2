--[[
Read a page of agents or departments, in no order. One that is there all the time is on one page.

list: 'agents' or 'departments'; cursor: '0-' at first; limit.
Result {rows, cursor}: cursor is empty at the end. A page may be short of `limit`.
]]
local PAGE_BYTES_MAX, SCAN_MIN = 256 * 1024, 100

-- The records of `agents` or `departments` from a cursor on, '0-' at first, and the cursor after them; nil at the end.
-- What the server's scan finds at a time is ordered by hash, so that a page can begin behind any of it.
local function read_page(list, cursor, limit)
  local at, after = string.match(cursor, '^(%d+)-(%x*)$')
  local scan = call('SSCAN', P .. list, at, 'COUNT', math.max(limit, SCAN_MIN))
  local found, records, bytes = {}, {}, 0
  for _, id in ipairs(scan[2]) do
    local place = string.sub(redis.sha1hex(id), 1, 16)
    if place > after then found[#found + 1] = {id = id, place = place} end
  end
  table.sort(found, function(one, other) return one.place < other.place end)
  for i, one in ipairs(found) do
    local record = call('HGET', P .. 'tenant', string.sub(list, 1, 1) .. one.id)
    if record then records[#records + 1], bytes = record, bytes + #record end
    if found[i + 1] and (#records == limit or bytes > PAGE_BYTES_MAX) then return records, at .. '-' .. one.place end
  end
  if scan[1] ~= '0' then return records, scan[1] .. '-' end
  return records
end

store_command('directory_list', function()
  caller()
  return function()
    local rows, cursor = read_page(request.list, request.cursor, request.limit)
    if request.list == 'departments' then
      for i, record in ipairs(rows) do
        local row = read_department(record)
        if row then rows[i] = department_view(row) end
      end
    end
    return result('rows', pack(rows), 'cursor', pack(cursor or ''))
  end
end)
