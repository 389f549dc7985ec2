--[[
Lists by which a session is found: by its customer, by its department, by who had it. Owners and states have lists of their own.

  customer:open:C, customer:closed:C   by when it was opened, and closed
  routed:STATE:D     by when it came into the state or the department; what is queued there stands in queue:D
  had:A              by when it was in progress with the agent last; at most HAD_MAX

A list of closed sessions ends with its last one; of the others, what is gone is taken out now and then. An entry that is older
than the log of its session is of an earlier session of that id. Readers go by the session's record: a release before this one
writes none of these lists.
]]
local relist, had, birth_of
do

local HAD_MAX = 10000
local PRUNE_EVERY, PRUNED = 16, 64 -- every so many places a list is looked through, so much of it

local function prune(list)
  if meta.order % PRUNE_EVERY ~= 0 then return end
  for _, id in ipairs(call('ZRANGE', list, 0, PRUNED - 1)) do
    if call('EXISTS', P .. 'session:' .. id) == 0 then call('ZREM', list, id) end
  end
end

local function add(list, id, state)
  call('ZADD', list, meta.order, id)
  if state ~= 'closed' then return end
  call('PEXPIRE', list, limits.closed_ms)
  prune(list)
end

-- A session is about to go to a state, at the last place that was given out; `s.routed` is the department of its list.
function relist(s, state)
  local id, department = s.id, s.department
  if s.state == 'in_progress' then
    local list = P .. 'had:' .. s.owner_id
    call('ZADD', list, meta.order, id)
    prune(list)
    if meta.order % PRUNE_EVERY == 0 then call('ZREMRANGEBYRANK', list, 0, -HAD_MAX - 1) end
  end
  if s.state ~= state or s.routed ~= department then
    if s.routed and s.state ~= 'queued' then call('ZREM', P .. 'routed:' .. s.state .. ':' .. s.routed, id) end
    if department and state ~= 'queued' then add(P .. 'routed:' .. state .. ':' .. department, id, state) end
    s.routed = department
  end
  if state == 'closed' then
    call('ZREM', P .. 'customer:open:' .. s.customer_id, id)
    add(P .. 'customer:closed:' .. s.customer_id, id, state)
  elseif s.state == 'closed' then
    if s.customer_before then call('ZREM', P .. 'customer:closed:' .. s.customer_before, id) end
    add(P .. 'customer:open:' .. s.customer_id, id)
  end
end

-- The place at which the log of a session begins.
function birth_of(s)
  local first = s.index > 0 and read_session(call('LINDEX', P .. 'session:' .. s.id, 0))
  return first and first.order or s.index == 0 and s.order or 0
end

-- Whether an agent had a session in progress before.
function had(s, agent_id)
  local at = call('ZSCORE', P .. 'had:' .. agent_id, s.id)
  return at and tonumber(at) > birth_of(s)
end

end
