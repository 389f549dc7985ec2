--[[
Deadlines of sessions: what is not answered in time, or pending for too long, is moved on by the system.
]]
do

-- An agent did not answer: after so many in a row it is on pause.
local function miss(a, department)
  touch(a)
  a.described = true
  set_extra(a, 'missed', (a.extra.missed or 0) + 1)
  local most = setting('missed_max', department)
  if most == 0 or a.extra.missed < most or a.chosen == 'pause' or a.chosen == 'disconnected' then return end
  a.chosen = 'pause'
  explain_status(a, 'unanswered')
  notice(a, nil, 'unanswered')
end

-- Into its department at the place of its age, or back to where it came from, as `route` returns it; nil where there is neither.
local function way_on(s, prefers_department)
  local department = prefers_department and department_of(s)
  if department then return route('department', department, s.owner_id, s) end
  return origin_of(s)
end

-- What a session of each state has waited for, why it is moved on, and whether to its department first.
local function missed_by(s)
  if s.state == 'in_progress' then return 'unanswered', true end
  return 'overdue', setting('pending_then', s.department) == 'department'
end

function sweeps.session(id, at)
  local s = find_session(id)
  if not s or s.extra.due_at ~= at then return true, 0 end
  local why, prefers_department = missed_by(s)
  local a = find_agent(s.owner_id)
  if a and why == 'unanswered' then miss(a, s.department) end
  local state, owner_id, _, choice = way_on(s, prefers_department)
  if state then
    move_by_system(s, state, owner_id, choice, why)
  else
    -- It stays with its owner, as nothing else can have it.
    set_deadline(s)
    rewrite_head(s)
    publish(s, 'stayed')
  end
  -- Its deadline is another one, or none, by that.
  return false, 1
end

end
