--[[
Whom the system chooses for a session, and why: the target, or the best member of a department that the session was not
tried with.
]]

-- The place of a session in its department's queue, wherever it has been meanwhile: when it came into the department.
local function age_of(s)
  return s.extra.since or s.order
end

-- Tried: a session was placed with an agent that did not answer it, since anybody did. Where answers are waited for, it
-- remembers when that was, so that an agent that answers another session or changes its status counts as not tried again.
local note_try, may_get, route, decision_of
do

local TRIED_MAX = 100 -- agents that a session remembers

local function make_room(tried)
  local count, oldest = 0, nil
  for id, at in pairs(tried) do
    count = count + 1
    if not oldest or at < tried[oldest] then oldest = id end
  end
  if count >= TRIED_MAX then tried[oldest] = nil end
end

-- A session leaves its owner for another one, or for none.
function note_try(s, owner_id)
  if not owner_id then
    if s.extra.tried then set_extra(s, 'tried', nil) end
  elseif s.state == 'in_progress' and not s.answered_at and setting('answer_ms', s.department) > 0 then
    local tried = s.extra.tried or {}
    make_room(tried)
    tried[s.owner_id] = s.updated_at
    set_extra(s, 'tried', tried)
  end
end

local function tried_count(s)
  local count = 0
  for _ in pairs(s and s.extra.tried or NO_EXTRA) do count = count + 1 end
  return count
end

-- Whether the system may place a session with an agent.
function may_get(a, s)
  local at = a and s and s.extra.tried and s.extra.tried[a.id]
  return a and not (at and at >= status_since(a) and at >= (a.answered_at or 0))
end

-- Where a session sent to a target goes now: its state, its owner, the member that a department assigned it to, and the
-- choice, for `decision_of`. Of the members that it was not tried with, the one with the lowest load/capacity, then the
-- one longest without an assignment.
function route(kind, id, except, s)
  if kind == 'agent' then return available(find_agent(id)) and 'in_progress' or 'pending', id, nil, {agent = id} end
  local best, score, second, second_score
  local function offer(member, at)
    if member == except or second and (at > second_score or at == second_score and member > second) then return end
    if not may_get(find_agent(member), s) then return end
    if best and (at > score or at == score and member > best) then
      second, second_score = member, at
    else
      best, score, second, second_score = member, at, best, score
    end
  end
  local listed = call('ZRANGE', P .. 'available:' .. id, 0, 2 + #agents_touched + tried_count(s), 'WITHSCORES')
  for i = 1, #listed, 2 do
    local a = agents[listed[i]]
    if not (a and a.touched) then offer(listed[i], tonumber(listed[i + 1])) end
  end
  -- What this step has changed is not in the list yet.
  for i = 1, #agents_touched do
    local a = agents_touched[i]
    if available(a) and has_id(a.departments, id) then offer(a.id, choice_score(a)) end
  end
  local choice = {department = id, best = best, second = second, except = except, s = s,
    is_tie = second and floor(score / ORDER_STEPS) == floor(second_score / ORDER_STEPS)}
  if best then return 'in_progress', best, best, choice end
  return 'queued', id, nil, choice
end

local MEMBERS_MAX = 64 -- of a department of which each is looked at
local IDS_MAX = 200 -- bytes of the ids of both candidates; beyond, only the chosen one is named

local function candidate(id)
  local a = find_agent(id)
  return {id, a.load, a.capacity, a.assigned_at and now - a.assigned_at or false}
end

local function full(a)
  return a.present and a.chosen == 'connected' and a.load >= a.capacity
end

-- Count those of a department that are at their capacity; the records of what this step has touched are behind it.
local function count_full(department)
  local count, fields = 0, {}
  for _, id in ipairs(call('SMEMBERS', P .. 'members:' .. department)) do
    local a = agents[id]
    if not (a and a.touched) then fields[#fields + 1] = 'a' .. id end
  end
  for _, record in ipairs(fields[1] and call('HMGET', P .. 'tenant', unpack(fields)) or fields) do
    if record and is_full(record) then count = count + 1 end
  end
  for i = 1, #agents_touched do
    local a = agents_touched[i]
    if full(a) and has_id(a.departments, department) then count = count + 1 end
  end
  return count
end

-- How many members a department has in this step, and how many of them are available.
local function count_members(department)
  local members, ready = call('SCARD', P .. 'members:' .. department), call('ZCARD', P .. 'available:' .. department)
  for i = 1, #agents_touched do
    local a = agents_touched[i]
    local was, is = has_id(a.departments_before or a.departments, department), has_id(a.departments, department)
    members = members + (is and 1 or 0) - (was and 1 or 0)
    ready = ready + (is and available(a) and 1 or 0) - (was and a.available_before and 1 or 0)
  end
  return members, ready
end

-- The place in a department's queue of a session that comes into it: the last where it is new there.
local function place_in(department, s)
  local queue = P .. 'queue:' .. department
  if not s or s.enters then return call('ZCARD', queue) + 1 end
  return call('ZCOUNT', queue, '-inf', '(' .. age_of(s)) + 1
end

-- Why the system chose an owner, as it stands in the entry of the history: a list of
--   by, chosen, next, tie, place, members, available, owner, tried, capacity, status, unavailable
-- with false for what there is not. `choice` is by `route`, before the session `s` is moved; `by` says what it was made for.
-- `chosen` and `next` are {id, load, capacity, idle_ms}. Of an agent that was meant by name `members` is false, and it is
-- itself all that it was chosen from. Each member of a department is `available`, at its `capacity`, or of another `status`;
-- where they are too many to look at each, only `unavailable`. Of the available ones the present `owner` and those it was
-- `tried` with are left out.
function decision_of(by, choice, s)
  if choice.agent then
    local a = find_agent(choice.agent)
    if by == 'forced' or available(a) then
      return {by, candidate(a.id), false, 'only', false, false, 1, 0, 0, 0, 0, 0}
    end
    local capacity = full(a) and 1 or 0
    return {by, false, false, false, false, false, 0, 0, 0, capacity, 1 - capacity, 0}
  end
  local department, best, second = choice.department, choice.best, choice.second
  local owner, tried, capacity, status, unavailable = 0, 0, 0, 0, 0
  local function is_ready(id)
    local a = find_agent(id)
    return a and available(a) and has_id(a.departments, department) and a
  end
  if choice.except and is_ready(choice.except) then owner = 1 end
  for id in pairs(choice.s and choice.s.extra.tried or NO_EXTRA) do
    local a = id ~= choice.except and is_ready(id)
    if a and not may_get(a, choice.s) then tried = tried + 1 end
  end
  local members, ready = count_members(department)
  if members <= MEMBERS_MAX then
    capacity = members > ready and count_full(department) or 0
    status = members - ready - capacity
  else
    unavailable = members - ready
  end
  local place = choice.place or not best and place_in(department, s)
  local tie = best and (not second and 'only' or choice.is_tie and 'idle' or 'load')
  if second and #best + #second > IDS_MAX then second = nil end
  return {by, best and candidate(best) or false, second and candidate(second) or false, tie or false, place or false,
    members, ready, owner, tried, capacity, status, unavailable}
end

end
