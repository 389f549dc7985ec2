--[[
The frame in which every store command runs: lease, sweep, idempotency key, decision, commit, reply.

An idempotency key remembers where the reply stands (a record of a session's log), or the reply where it is short and
stands nowhere. Keys of a while share a hash, which goes as a whole: a key holds for `key_ms` at least, and for twice
as long at most.
]]
local result, reply_of, session_result, check_result, store_command
do

local FILLER = '.................................................................'
-- So long a value makes a hash begin as a table, in which no field is looked for one by one.

-- The generation of this while, and the names of its hash and of that before; a number costs much to be made a text.
local generation, keys_now, keys_before

local function begin_generation()
  local present = floor(now / limits.key_ms)
  if present ~= generation then
    generation, keys_now, keys_before = present, 'keys:' .. present, 'keys:' .. present - 1
  end
end

local function key_field()
  begin_generation()
  return (request.by.role == 'service' and 'service ' or 'agent ') .. request.by.id .. ' ' .. key
end

-- What is remembered of this request's key: nil where it is new.
local function find_key(field)
  local latest = meta.key_generation
  local known = latest >= generation and call('HGET', P .. keys_now, field)
  if known or latest < generation - 1 then return known or nil end
  return call('HGET', P .. keys_before, field) or nil
end

local function remember_key(field, value)
  local keys = P .. keys_now
  if meta.key_generation ~= generation then
    call('UNLINK', P .. 'keys:' .. (generation - 2))
    call('HSET', keys, '', FILLER)
    call('PEXPIRE', keys, 2 * limits.key_ms)
    meta.key_generation, meta.unchanged = generation, nil
    call('HSET', P .. 'tenant', 'm', pack_meta(meta))
  end
  call('HSET', keys, field, value)
end

-- A map of packed values by their names, each of at most 31 characters: a text as short as that has a head of one byte.
function result(name, packed, ...)
  local count = select('#', ...)
  local all = char(129 + count / 2, 160 + #name) .. name .. packed
  for i = 1, count, 2 do
    local more, value = select(i, ...)
    all = all .. char(160 + #more) .. more .. value
  end
  return all
end

function reply_of(packed)
  if not set_aside_now[1] then return '\129\166result' .. packed end
  return '\130\166result' .. packed .. '\169set_aside' .. pack(set_aside_now)
end

local function rejection_of(outcome)
  local fields = pack({error = outcome.rejected, details = outcome.details, set_aside = set_aside_now[1] and set_aside_now})
  if not outcome.view then return fields end
  return string.char(string.byte(fields) + 1) .. string.sub(fields, 2) .. pack('session') .. outcome.view
end

-- The first reply to a key, from where it stands.
local function replay(known)
  if sub(known, 1, 32) ~= key_print then return pack({error = 'key_reused'}) end
  local _, name, id, index, order = read(known, 4, 32)
  if name == 'reply' then return id end
  local record = call('LINDEX', P .. 'session:' .. id, index)
  local s = record and read_session(record)
  -- Its log may be gone, and another one of this id be there since.
  if not s or s.order ~= order then return pack({error = 'not_found', details = {session_id = id}}) end
  return reply_of(result(name, name == 'entry' and record or view_of(s)))
end

function session_result(s)
  return function() return result('session', view_of(s)), 'session', s end
end

-- What a command that only checks would have done.
function check_result(state, assigned_to, decision)
  return function()
    return result('outcome', pack(OUTCOME[state]), 'assigned_to', pack(assigned_to or cjson.null),
      'decision', decision and pack(decision) or NIL)
  end
end

local function decide(command)
  authorize()
  return command()
end

-- Run a command: sweep, replay a known idempotency key, decide, commit, reply.
local function run(command, keys, args)
  local newer = begin(keys, args)
  if newer then return pack(newer) end
  if request.lease_ms then take_lease() end
  -- What was due is a step of its own, so that the command decides on what is true now.
  local swept
  swept, more_is_due = sweep()
  if swept then
    commit()
    begin_step()
    fetched = {}
  end
  local field = key and key_field()
  local known = field and find_key(field)
  if known then
    commit()
    return replay(known)
  end
  local done, outcome = pcall(decide, command)
  if not done and not (type(outcome) == 'table' and outcome.rejected) then error(outcome) end
  local reply, name, s
  commit()
  if done then
    reply, name, s = outcome()
    reply = reply_of(reply)
  else
    reply = rejection_of(outcome)
  end
  -- That a command could not be decided is no answer to it.
  if field and (done or (outcome.rejected ~= 'unavailable' and outcome.rejected ~= 'unreadable')) then
    remember_key(field, key_print .. (s and pack(name, s.id, s.index, s.order) or pack('reply', reply)))
  end
  return reply
end

-- What a store without memory left runs all the same: it reads, frees, or keeps those who are there. All else is
-- refused whole, before it begins.
local RUN_WHEN_FULL = {
  agent_get = true, agent_remove = true, connect = true, department_get = true, department_remove = true, directory = true,
  directory_list = true, disconnect = true, events = true, inbox = true, renew = true, session_ack = true,
  session_close = true, session_get = true, session_history = true, session_list = true, settings_get = true,
}

function store_command(name, body)
  redis.register_function({
    function_name = LIBRARY .. '_' .. name,
    callback = function(keys, args) return run(body, keys, args) end,
    flags = RUN_WHEN_FULL[name] and {'allow-oom'} or {},
  })
end

end
