--[[
Migration: once every node of the store reads a newer schema, a tenant writes in it, and its idle records are rewritten in
steps of the sweep. Routers work meanwhile, since they read both.

What is left to do is due, as "migrate PART": a page of agents, departments or of the sessions of one state ("closed:17": those
after place 17), or a part of one session's log ("session:ID:64": from that record on).
]]
do

local NEXT_LIST = {agents = 'departments:0', departments = 'in_progress:0', in_progress = 'pending:0', pending = 'queued:0',
  queued = 'closed:0'}

-- Rewrite records of a session's log, at most so many; return how many were looked at.
local function migrate_log(id, first, most)
  local log = P .. 'session:' .. id
  local records = call('LRANGE', log, first, first + most - 1)
  for i, record in ipairs(records) do
    local s = read_session(record)
    if s and s.schema ~= schema then call('LSET', log, first + i - 1, replace_head(s)) end
  end
  if #records == most then add_migration('session:' .. id .. ':' .. first + most) end
  return #records
end

local function migrate_sessions(state, after)
  local page = call('ZRANGE', P .. 'state:' .. state, '(' .. after, '+inf', 'BYSCORE', 'LIMIT', 0, SWEEP_MAX, 'WITHSCORES')
  local left = SWEEP_MAX
  for i = 1, #page, 2 do
    left = left - migrate_log(page[i], 0, left)
    if left == 0 then
      add_migration(state .. ':' .. page[i + 1])
      return SWEEP_MAX
    end
  end
  -- The log of a closed one may be gone, which costs a look.
  local seen = #page / 2
  if seen == SWEEP_MAX then
    add_migration(state .. ':' .. page[#page])
  elseif NEXT_LIST[state] then
    add_migration(NEXT_LIST[state])
  end
  return math.max(SWEEP_MAX - left, seen)
end

local function migrate_rows(list, cursor)
  local page = call('SSCAN', P .. list, cursor, 'COUNT', SWEEP_MAX)
  for _, id in ipairs(page[2]) do
    local row
    if list == 'agents' then row = find_agent(id) else row = find_department(id) end
    if row and list == 'agents' then
      touch(row)
    elseif row then
      call('HSET', P .. 'tenant', 'd' .. id, pack_department(row))
    end
  end
  add_migration(page[1] == '0' and NEXT_LIST[list] or list .. ':' .. page[1])
  return #page[2]
end

function sweeps.migrate(part)
  local list, cursor = string.match(part, '^(.+):(%d+)$')
  local session_id = list and string.match(list, '^session:(.+)$')
  local cost = 0
  if session_id then
    cost = migrate_log(session_id, tonumber(cursor), SWEEP_MAX)
  elseif list == 'agents' or list == 'departments' then
    cost = migrate_rows(list, cursor)
  elseif list then
    cost = migrate_sessions(list, cursor)
  end
  end_migration(cost)
  return true, cost
end

end
