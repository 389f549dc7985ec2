--[[
Read a page of the directory. What changes while the pages are read is in the events after the first page.

cursor: '' at first, then what the page before it said.
Result {epoch, seq, before, cursor, departments, agents, rule}: before is the epoch and the seq at which the store was when
this epoch began, empty where it held nothing; cursor is empty at the end. The first page holds all departments. rule
is the tenant's, false for none.
]]
local DIRECTORY_PAGE = 500

local function rows_of(kind, ids)
  local fields, rows = {}, {}
  for i, id in ipairs(ids) do fields[i] = kind .. id end
  for _, record in ipairs(fields[1] and call('HMGET', P .. 'tenant', unpack(fields)) or {}) do
    if record then rows[#rows + 1] = record end
  end
  return rows
end

store_command('directory', function()
  return function()
    local cursor, departments = request.cursor, {}
    if cursor == '' then
      cursor = '0'
      departments = rows_of('d', call('SMEMBERS', P .. 'departments'))
    end
    local page = call('SSCAN', P .. 'agents', cursor, 'COUNT', DIRECTORY_PAGE)
    return result('epoch', pack(meta.epoch), 'seq', pack(meta.seq), 'before', pack(meta.before),
      'cursor', pack(page[1] ~= '0' and page[1] or ''), 'departments', pack(departments),
      'agents', pack(rows_of('a', page[2])), 'rule', pack(setting('rule') or false))
  end
end)
