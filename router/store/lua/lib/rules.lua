--[[
Rules: which transfers an agent may make. `protocol/vectors/rules.json` has the cases; the clients decide alike.

The rule of the session's department counts, else the tenant's. Admins and back ends may pass it over, and the entry
of the history says so.
]]
local apply_rule
do

local ALTERNATIVES_MAX, LOOKED_AT_MAX = 3, 64 -- named in an error, and agents looked at where no list says who is ready

local function contains(list, wanted)
  for _, one in ipairs(list) do
    if one == wanted then return true end
  end
  return false
end

-- Whether an agent is a member of a department that a rule allows; any will do where it allows all.
local function is_allowed_member(rule, a)
  if rule.departments == 'any' then return a.departments ~= ' ' end
  for id in ids_of(a.departments) do
    if contains(rule.departments, id) then return true end
  end
  return false
end

-- What of a rule a transfer to a target does not keep, in the order in which errors name it.
local function broken_by(rule, s, kind, id, reason)
  local broken, a = {}, kind == 'agent' and find_agent(id)
  if not a then
    if rule.departments ~= 'any' and not contains(rule.departments, id) then broken[1] = 'departments' end
  else
    if rule.agents == 'none' or rule.agents == 'members' and not is_allowed_member(rule, a) then broken[1] = 'agents' end
    if not contains(rule.statuses, a.present and a.chosen or 'disconnected') then broken[#broken + 1] = 'status' end
    if not rule.at_capacity and a.load >= a.capacity then broken[#broken + 1] = 'capacity' end
  end
  -- Beyond the limit a session goes back to its department, or up to an admin.
  local is_way_out = a and a.role == 'admin' or not a and id == s.department
  if rule.hops_max > 0 and s.hops - (s.extra.hops_free or 0) >= rule.hops_max and not is_way_out then
    broken[#broken + 1] = 'hops'
  end
  if rule.reason == 'required' and not reason then broken[#broken + 1] = 'reason' end
  return broken
end

-- The departments near a transfer: the session's, its target's, the caller's, and those that the rule names.
local function departments_near(rule, s, kind, id, me)
  local near, known = {}, {}
  local function add(department_id)
    if department_id and not known[department_id] then
      known[department_id] = true
      near[#near + 1] = department_id
    end
  end
  add(s.department)
  if kind == 'department' then add(id) else for one in ids_of(find_agent(id).departments) do add(one) end end
  for one in ids_of(me and me.departments or '') do add(one) end
  if rule.departments ~= 'any' then for _, one in ipairs(rule.departments) do add(one) end end
  return near
end

-- Agents, then departments, to which the session may go and where it is in progress at once: the best first.
local function alternatives_to(rule, s, kind, id, reason, me)
  local ready, found, seen = {}, {}, {[s.owner_id] = true}
  local function look_at(agent_id, score)
    if seen[agent_id] then return end
    seen[agent_id] = true
    local a = find_agent(agent_id)
    if a and available(a) and not broken_by(rule, s, 'agent', agent_id, reason)[1] then
      ready[#ready + 1] = {kind = 'agent', id = agent_id, name = a.name, score = score or a.load / a.capacity * RATIO_STEPS
        * ORDER_STEPS + a.assigned}
    end
  end
  local near = departments_near(rule, s, kind, id, me)
  for _, department_id in ipairs(near) do
    local best = call('ZRANGE', P .. 'available:' .. department_id, 0, ALTERNATIVES_MAX, 'WITHSCORES')
    for i = 1, #best, 2 do look_at(best[i], tonumber(best[i + 1])) end
  end
  if #ready < ALTERNATIVES_MAX and call('SCARD', P .. 'agents') <= LOOKED_AT_MAX then
    for _, agent_id in ipairs(call('SMEMBERS', P .. 'agents')) do look_at(agent_id) end
  end
  table.sort(ready, function(one, other)
    if one.score ~= other.score then return one.score < other.score end
    return one.id < other.id
  end)
  for i = 1, math.min(#ready, ALTERNATIVES_MAX) do
    found[i] = {kind = 'agent', id = ready[i].id, name = ready[i].name}
  end
  for _, department_id in ipairs(near) do
    if #found == ALTERNATIVES_MAX then break end
    local row = find_department(department_id)
    local state = row and route('department', department_id, s.owner_kind == 'agent' and s.owner_id, s)
    if state == 'in_progress' and not broken_by(rule, s, 'department', department_id, reason)[1] then
      found[#found + 1] = {kind = 'department', id = department_id, name = row.name}
    end
  end
  return found
end

-- Reject a transfer that the rule forbids its caller; return what of the rule another caller passes over, nil for nothing.
function apply_rule(s, kind, id, reason, me)
  local rule = setting('rule', s.department)
  if not rule then return end
  local broken = broken_by(rule, s, kind, id, reason)
  if not broken[1] then return end
  if request.by.role ~= 'agent' then return broken end
  local is_own = s.department and level_of(s.department).rule
  reject('not_allowed', {because = broken[1], department = is_own and s.department or nil,
    alternatives = alternatives_to(rule, s, kind, id, reason, me)})
end

end
