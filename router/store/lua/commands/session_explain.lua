--[[
Say why the system chose an owner of a session, and why it did not choose an agent.

session_id; seq: the entry of the history in which the choice stands, the last one if absent; agent_id: optional.
Rejects not_found (session, entry or agent), forbidden.
Result {decision, why_not}: nil where the system chose none there, or the agent was chosen.
]]

local PLACEMENTS_MAX = 100 -- changes of owner that are looked at, the latest first

local function record_at(key, index)
  local record = index >= 0 and call('LINDEX', key, index)
  return record and read_session(record) or nil
end

-- The record in which an entry stands first, and the one before it.
local function record_of(key, s, seq)
  if seq < 1 or seq > s.entry_count then reject('not_found', {session_id = s.id}) end
  local found = record_at(key, first_record_after(key, seq - 1, s.index))
  local before = found and record_at(key, found.index - 1)
  if found and (before and before.entry_count or 0) + 1 == seq then return found, before end
end

-- The record of the latest choice, and the one before it.
local function latest_choice(key, s)
  local at = s.placed_at
  for _ = 1, PLACEMENTS_MAX do
    local found, before = record_at(key, at), record_at(key, at - 1)
    if found and decision_in(found.record) then return found, before end
    if not before then return end
    at = before.placed_at
  end
end

-- Why an agent was not chosen, as far as what is known today says so of then.
local function why_not(a, decision, at, found, before)
  local _, chosen, next_best, _, _, members, _, owner, tried, capacity, status, unavailable = unpack(decision)
  if chosen and chosen[1] == a.id then return end
  if next_best and next_best[1] == a.id then return 'behind' end
  if not members then
    if found.owner_id ~= a.id then return 'not_member' end
    return capacity > 0 and 'capacity' or 'status'
  end
  -- It may have had other departments then, or another capacity.
  if (a.profile_at or 0) >= at then return 'unknown' end
  if not has_id(a.departments, found.department or '') then return 'not_member' end
  if owner > 0 and before and before.owner_kind == 'agent' and before.owner_id == a.id then return 'owner' end
  local had_status = a.status_since_at < at
  if had_status and a.status ~= 'connected' then return 'status' end
  if not had_status and status + unavailable > 0 then return 'unknown' end
  if tried > 0 and found.extra.tried and found.extra.tried[a.id] then return 'tried' end
  if not chosen then return 'capacity' end
  if capacity + unavailable == 0 then return 'behind' end
  if a.load >= a.capacity and (a.assigned_at or 0) < at then return 'capacity' end
  return 'unknown'
end

store_command('session_explain', function()
  local s = require_session()
  require_owner(s)
  local a = request.agent_id and (find_agent(request.agent_id) or reject('not_found', {agent_id = request.agent_id}))
  local key, found, before = P .. 'session:' .. s.id, nil, nil
  if request.seq then found, before = record_of(key, s, request.seq) else found, before = latest_choice(key, s) end
  local decision, at
  if found then decision, at = decision_in(found.record) end
  local reason = a and decision and why_not(a, decision, at, found, before)
  return function()
    return result('decision', decision and pack(decision) or NIL, 'why_not', reason and pack(reason) or NIL)
  end
end)
