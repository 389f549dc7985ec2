--[[
The frame in which every store command runs: lease, sweep, idempotency key, decision, commit, reply.
]]
-- Run a command: sweep, replay a known idempotency key, decide, settle, answer.
local function run(command, keys, args)
  begin(keys, args)
  if request.lease_ms then
    local lease = 'node ' .. request.node_id
    lease_known = call('ZADD', P .. 'due', now + request.lease_ms, lease) == 0
  end
  -- What was due is a step of its own, so that the command decides on what is true now.
  local swept
  swept, more_is_due = sweep()
  if swept then
    commit()
    begin_step()
  end
  local key = request.key and P .. 'key:' .. (request.by.role == 'service' and 'service ' or 'agent ')
    .. request.by.id .. ' ' .. request.key
  local known = key and call('GET', key)
  if known then
    if string.sub(known, 1, 32) ~= request.print then return pack({error = 'key_reused'}) end
    return string.sub(known, 33)
  end
  local done, outcome = pcall(command)
  if not done and not (type(outcome) == 'table' and outcome.rejected) then error(outcome) end
  local reply
  if done then
    commit()
    local result = outcome()
    reply = result.session and pack_answer(result.session) or pack({result = result})
  else
    reply = pack({error = outcome.rejected, details = outcome.details})
  end
  -- That a command could not be judged is no answer to it.
  if key and (done or outcome.rejected ~= 'unavailable') then
    call('SET', key, request.print .. reply, 'PX', limits.key_ms)
  end
  return reply
end

local function store_command(name, body)
  redis.register_function(LIBRARY .. '_' .. name, function(keys, args) return run(body, keys, args) end)
end
