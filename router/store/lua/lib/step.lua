--[[
What every command shares. The loader joins the files of this folder and all commands into one function library, so
that the functions are made once and not at each call; whatever belongs to one call is set again by `run`.

KEYS[1]  the tenant's prefix, relevo:{TENANT}: -- every key below starts with it, so a tenant is one slot
ARGV[1]  the run id of the server (its master_replid): another one means that acknowledged writes may be lost
ARGV[2]  a MessagePack array of four:
           limits  packed: [events kept, idempotency key ms, closed session ms, presence grace ms, session grace ms,
                   agents, departments, open sessions, entries of a history, schema that every node of the store reads]
           key, print  idempotency key and fingerprint (32 characters) of the command's body; nil for none
           the request, a map. Common fields:
           by      {id, name, role, iat, attached, epoch, again, departments, capacity}: the caller; none for the system
           for_admins  whether agents may not
           node_id, lease_ms   a node extends its lease on this tenant
           now     milliseconds since the epoch; only tests pass it
Reply    a MessagePack map: {result = ...} or {error = code, details = ...}, and set_aside where records were bad

A command checks everything first and writes last; `reject` may only be called before the first write. It returns a
function that builds its result once everything is committed. Without the flag allow-oom the server refuses the whole
call when memory is full or the disk fails, instead of one write in its middle.

Keys                      type    holds
  tenant                  hash    m: the tenant's meta record; aID, dID: agents and departments; s, sID: settings of
                                  the tenant and of departments; 0, 1, 2 ...: the latest events, each in the field
                                  of its number modulo how many are kept
  agents, departments     set     their ids
  session:ID              list    the log of a session: its last record is the session
  pending:A, queue:D      zset    sessions pending on an agent, waiting for a member of a department, by order
  owned:A                 zset    sessions in progress with an agent of more than OWNED_MAX; of others they stand in its record
  state:S                 zset    sessions of one state, by the order in which they entered it
  customer:WHICH:C, routed:STATE:D, had:A
                          zset    sessions of a customer, of a department, and those that an agent had: see lists.lua
  members:D               set     agents of a department
  available:D             zset    those available now, the best first
  connections:A, node:N   set     live connections of an agent ("node connection"), of a node ("agent connection")
  due                     zset    what is to be done when: "node N", "presence A", "sessions A", "drain A", "leave D",
                                  "migrate PART"
  keys:G                  hash    idempotency keys of a while: "CALLER KEY" -> fingerprint, and where the reply stands
  removed                 zset    aID, dID: what was removed last, by when: a bounded number
  aside                   hash    what could not be read, by the name of its place: a bounded number
]]
local SWEEP_MAX = 64 -- things done in one step; the rest stays due
local CAPACITY_DEFAULT = 10
local NAME_MAX = 120
local RATIO_STEPS, ORDER_STEPS = 2 ^ 20, 2 ^ 33 -- a score of available:D is exact below 2^53
local STATES = {'in_progress', 'pending', 'queued', 'closed'}

local P, run_id, key, key_print, request, now, limits, limits_packed, lease_known, more_is_due
local meta -- the tenant's meta record; written with every event, and where it has changed
local meta_changed
local fetched -- records of the tenant's hash that were read with the meta record, by field
local agents, agents_touched, departments_touched, agents_removed, departments_removed, changes
local settings_changed, rule_changed -- whether settings are others now, and whether the tenant's rule is
local set_aside_now -- names of what this call could not read

-- `view`: a session, packed, that the rejection is about.
local function reject(code, details, view)
  error({rejected = code, details = details, view = view})
end

-- What a step knows of agents and is about to tell; a call is one step, or two if something was due.
local function begin_step()
  agents, agents_touched, departments_touched, agents_removed, departments_removed = {}, {nil, nil}, {}, {}, {}
  changes = {nil}
  settings_changed, rule_changed = false, false
end

local set_aside
do

local ASIDE_MAX, ASIDE_BYTES_MAX = 100, 4096 -- bad records kept aside, and how much of each

-- A record that cannot be read costs itself: it is kept aside, told to the router, and its place in lists is given up.
function set_aside(name, record, why)
  set_aside_now[#set_aside_now + 1] = name .. ': ' .. why
  local aside = P .. 'aside'
  if call('HLEN', aside) >= ASIDE_MAX and call('HEXISTS', aside, name) == 0 then return end
  call('HSET', aside, name, why .. '\n' .. string.sub(tostring(record), 1, ASIDE_BYTES_MAX))
end

end

-- Another run of event numbers: a follower of the last one reads the directory again, and sees from `before`
-- whether it had heard what the store has forgotten.
local function begin_epoch()
  local time, before = call('TIME'), meta.epoch and meta.epoch .. ' ' .. meta.seq or ''
  meta.epoch, meta.seq, meta.run, meta.before = string.format('%x%05x', time[1], time[2]), 0, run_id, before
  meta.ring, meta.unchanged = limits.events, nil
  meta_changed = true
end

-- What is due next decides when the next sweep is.
local function due_at(at)
  if at < meta.due_at then meta.due_at, meta_changed = at, true end
end

local function due_add(at, what)
  call('ZADD', P .. 'due', at, what)
  due_at(at)
end

local function due_remove(...)
  call('ZREM', P .. 'due', ...)
end

-- Have a part of the tenant's records rewritten in its schema (migration.lua). The meta record counts the parts that are left,
-- and what was done.
local function add_migration(part)
  if call('ZADD', P .. 'due', now, 'migrate ' .. part) == 0 then return end
  due_at(now)
  set_extra(meta, 'migrating', (meta.extra.migrating or 0) + 1)
end

local function end_migration(records)
  local left = (meta.extra.migrating or 1) - 1
  set_extra(meta, 'migrating', left > 0 and left or nil)
  set_extra(meta, 'migrated', left > 0 and (meta.extra.migrated or 0) + records or nil)
  meta_changed = true
end

local begin
do

-- The last place that was given out, where the record of it is lost: no place is given out twice.
local function last_order()
  local last = 0
  for _, state in ipairs(STATES) do
    local highest = call('ZRANGE', P .. 'state:' .. state, -1, -1, 'WITHSCORES')[2]
    last = math.max(last, tonumber(highest or 0))
  end
  -- A session of the same state may have been placed since.
  return last > 0 and last + ORDER_STEPS / 2 ^ 10 or 0
end

-- Take the meta record over; returns the rejection of every command where it is of a newer schema.
local function read_tenant(record)
  meta = record and read_meta(record)
  if meta and not READABLE[meta.schema] then
    return {error = 'unavailable', details = {reason = 'the data of this tenant is of schema ' .. meta.schema
      .. ', and this router reads ' .. SCHEMA}}
  end
  if not meta then
    if record then set_aside('tenant m', record, 'the meta record cannot be read') end
    meta = {schema = limits.schema, order = last_order(), due_at = 0, ring = limits.events, key_generation = 0,
      extra = NO_EXTRA}
  end
  schema = meta.schema
  if meta.schema < limits.schema then
    meta.schema, schema, meta_changed = limits.schema, limits.schema, true
    add_migration('agents:0')
  end
  local lost = not meta.epoch and (record or call('HLEN', P .. 'tenant') > 0)
  if meta.run ~= run_id or not meta.epoch then begin_epoch() end
  -- Whatever is set is read again.
  if lost then set_extra(meta, 'settings', meta.epoch) end
end

function begin(keys, args)
  if not call then bind() end
  local _, limits_given
  P, run_id = keys[1], args[1]
  _, limits_given, key, key_print, request = read(args[2], 4, 1)
  now, set_aside_now, meta_changed = request.now, {}, false
  if not now then
    local time = call('TIME')
    now = time[1] * 1000 + floor(time[2] / 1000)
  end
  -- A node says the same at every call.
  if limits_given ~= limits_packed then
    limits_packed = limits_given
    local given = decode(limits_packed)
    limits = {events = given[1], key_ms = given[2], closed_ms = given[3], presence_grace_ms = given[4],
      session_grace_ms = given[5], agents = given[6], departments = given[7], sessions = given[8], history = given[9],
      schema = given[10]}
  end
  begin_step()
  -- The caller and whom the request is about, at the price of one command.
  local by, target = request.by, request.target
  local caller_field = by and by.role ~= 'service' and 'a' .. by.id or 'm'
  local target_field = target and target.kind == 'agent' and 'a' .. target.id or 'm'
  local found = call('HMGET', P .. 'tenant', 'm', caller_field, target_field)
  fetched = {[caller_field] = found[2], [target_field] = found[3]}
  return read_tenant(found[1])
end

end
