--[[
List sessions, those that are longest in their present state, or with their present owner, first; those that the caller had in
progress before by when it had them, those of a customer by when they were opened or closed.

state, agent_id, department_id, customer_id, mine (those that the caller had in progress before): optional filters; without any
other, department_id means the sessions that are queued there. closed_from_at, closed_to_at: those that were closed then.
newest: the newest first. after: the position to go on from, 0 at first; limit.
An agent sees its own sessions, its departments' queues and what it had. Rejects not_found, forbidden.
Result {sessions, position}: of the next `limit` entries those that fit; position is missing at the end.
]]
local NOW_AND_EVER = 2 ^ 53

-- Whether a position comes after another one, in the order that is asked for.
local function is_after(position, after)
  if request.newest then return after == 0 or position < after end
  return position > after
end

local function find_page(lists, after, most)
  local found = {}
  for _, list in ipairs(lists) do
    local page
    if request.newest then
      page = call('ZRANGE', P .. list.name, after == 0 and '+inf' or '(' .. after, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, most,
        'WITHSCORES')
    else
      page = call('ZRANGE', P .. list.name, '(' .. after, '+inf', 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES')
    end
    for i = 1, #page, 2 do found[#found + 1] = {id = page[i], position = tonumber(page[i + 1]), list = list} end
  end
  return found
end

-- What an agent has in progress stands in its record without positions: those are in the sessions.
local function add_owned(found, a, after)
  for id in ids_of(a.owned or '') do
    local s = find_session(id)
    if s and is_after(s.order, after) then found[#found + 1] = {id = id, position = s.order, list = {}} end
  end
end

-- Where in a list by time of closing the sessions begin that were closed at a time or later: how many stand before. What is
-- gone is the oldest.
local function rank_at(list, at)
  local first, last = 0, call('ZCARD', list)
  while first < last do
    local middle = floor((first + last) / 2)
    local s = find_session(call('ZRANGE', list, middle, middle)[1])
    if s and s.state == 'closed' and s.updated_at >= at then last = middle else first = middle + 1 end
  end
  return first
end

-- Where to go on in a list by time of closing, so that a page begins with those of the time that is asked for.
local function skip(list, after)
  local rank
  if request.newest and request.closed_to_at then
    rank = rank_at(list, request.closed_to_at + 1)
  elseif not request.newest and request.closed_from_at then
    rank = rank_at(list, request.closed_from_at) - 1
  end
  local position = rank and rank >= 0 and tonumber(call('ZRANGE', list, rank, rank, 'WITHSCORES')[2])
  return position and is_after(position, after) and position or after
end

local function was_closed_then(s)
  local from_at, to_at = request.closed_from_at or 0, request.closed_to_at or NOW_AND_EVER
  return s.state == 'closed' and s.updated_at >= from_at and s.updated_at <= to_at
end

-- Nothing further in a list by time of closing was closed at the time that is asked for.
local function is_past(s)
  if s.state ~= 'closed' then return false end
  if request.newest then return s.updated_at < (request.closed_from_at or 0) end
  return s.updated_at > (request.closed_to_at or NOW_AND_EVER)
end

-- The caller's departments; rejects what it may not ask for.
local function departments_of_caller()
  local agent_id, department_id, by = request.agent_id, request.department_id, request.by
  if agent_id and not find_agent(agent_id) then reject('not_found', {agent_id = agent_id}) end
  if department_id and not find_department(department_id) then reject('not_found', {department_id = department_id}) end
  if by.role ~= 'agent' then return ' ' end
  local me = find_agent(by.id)
  local departments = me and me.departments or ' '
  local member = not department_id or has_id(departments, department_id)
  if (agent_id and agent_id ~= by.id) or not member then reject('forbidden') end
  return departments
end

-- The lists to read, and the agent whose sessions in progress are to be read, too. An entry counts in a list of closed
-- sessions, or of open ones (`closed`), only if its session is so.
local function lists_to_read(departments)
  local lists, state, by, department_id = {}, request.state, request.by, request.department_id
  local of_time = request.closed_from_at or request.closed_to_at
  if of_time then state = state or 'closed' end
  local function add(list_state, name, closed, by_closing)
    if not state or not list_state or state == list_state then
      lists[#lists + 1] = {name = name, closed = closed, closing = by_closing and list_state == 'closed'}
    end
  end
  local function add_agent(id)
    add('in_progress', 'owned:' .. id)
    add('pending', 'pending:' .. id)
    return lists, (not state or state == 'in_progress') and find_agent(id)
  end
  if request.mine then
    if by.role ~= 'service' then add(nil, 'had:' .. by.id) end
  elseif request.agent_id then
    return add_agent(request.agent_id)
  elseif request.customer_id then
    if state ~= 'closed' then add(nil, 'customer:open:' .. request.customer_id, false) end
    add('closed', 'customer:closed:' .. request.customer_id, true, true)
  elseif department_id and (not state or state == 'queued') then
    add('queued', 'queue:' .. department_id)
  elseif by.role == 'agent' then
    for id in ids_of(departments) do
      if not department_id then add('queued', 'queue:' .. id) end
    end
    return add_agent(by.id)
  elseif department_id then
    add(state, 'routed:' .. state .. ':' .. department_id, nil, true)
  else
    for _, one in ipairs(STATES) do add(one, 'state:' .. one, nil, true) end
  end
  return lists
end

-- The record of a session decides, not the list in which it was found.
local function fits(s, entry, departments)
  local wants, closed = request, s.state == 'closed'
  if (wants.closed_from_at or wants.closed_to_at) and not was_closed_then(s) then return false end
  if (wants.state and s.state ~= wants.state) or (wants.agent_id and not (s.owner_kind == 'agent' and s.owner_id == wants.agent_id))
      or (wants.customer_id and s.customer_id ~= wants.customer_id)
      or (wants.department_id and s.department ~= wants.department_id)
      or (entry.list.closed ~= nil and entry.list.closed ~= closed) then
    return false
  end
  if wants.mine then return entry.position > birth_of(s) end
  if request.by.role ~= 'agent' or owns(s) then return true end
  if s.state == 'queued' and has_id(departments, s.owner_id) then return true end
  return had(s, request.by.id)
end

store_command('session_list', function()
  local departments = departments_of_caller()
  local lists, a = lists_to_read(departments)
  local after = request.after
  local is_by_closing = lists[1] and not lists[2] and lists[1].closing
  if is_by_closing then after = skip(P .. lists[1].name, after) end
  local found = find_page(lists, after, request.limit + 1)
  if a then add_owned(found, a, after) end
  table.sort(found, function(one, other)
    if request.newest then return one.position > other.position end
    return one.position < other.position
  end)
  return function()
    local views = {}
    for i = 1, math.min(#found, request.limit) do
      local s = find_session(found[i].id)
      if s and is_by_closing and is_past(s) then return result('sessions', pack_list(views)) end
      if s and fits(s, found[i], departments) then views[#views + 1] = view_of(s) end
    end
    local sessions = pack_list(views)
    if not found[request.limit + 1] then return result('sessions', sessions) end
    return result('sessions', sessions, 'position', pack(found[request.limit].position))
  end
end)
