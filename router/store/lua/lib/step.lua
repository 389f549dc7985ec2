--[[
What every command shares. The loader joins this file and all commands into one function library, so that the functions
below are made once and not at each call; whatever belongs to one call is set anew by `run`.

KEYS[1]  the tenant's prefix, relevo:{TENANT}: -- every key below starts with it, so a tenant is one slot
ARGV[1]  the run id of the server (its master_replid): another one means that acknowledged writes may be lost
ARGV[2]  the request, a MessagePack map. Common fields:
           limits  packed: [events kept, idempotency key ms, closed session ms, presence grace ms, session grace ms,
                   agents, departments, open sessions, entries of a history]
           by      {id, name, role, attached, epoch, again, departments, capacity}: the caller; none for the system
           key, print  idempotency key and fingerprint (32 characters) of the command's body
           node_id, lease_ms   a node extends its lease on this tenant
           now     milliseconds since the epoch; only tests pass it
Reply    a MessagePack map: {result = ...} or {error = code, details = ...}

A command checks everything first and writes last; `refuse` may only be called before the first write. It returns a
function that builds its result once everything is committed. Without the flag allow-oom the server refuses the whole
call when memory is full or the disk fails, instead of one write in its middle.

Records are packed once and travel packed: the string that is stored is also the one in the event and the reply.

Keys                      type    holds
  meta                    hash    epoch, seq (of events), order (of placements), run,
                                  before: epoch and seq at which this epoch began
  agents, departments     hash    id -> row as last published, with what only the commands need
  members:D               set     agents of a department
  available:D             zset    those available now, the best first
  owned:A, pending:A      zset    sessions in progress with, pending on an agent, by order
  queue:D                 zset    sessions that wait for a member of the department, by order
  state:S                 zset    sessions of one state, by order
  session:ID, history:ID  string, list  the record and the entries of a session
  connections:A, node:N   set     live connections of an agent ("node connection"), of a node ("agent connection")
  due                     zset    what is to be done when: "node N", "presence A", "sessions A", "drain A"
  key:CALLER KEY          string  fingerprint and first reply
  events                  stream  the latest events, entry id = seq-0
]]
local INBOX_MAX = 1000 -- sessions of each kind in a welcome
local SWEEP_MAX = 200 -- things of one kind done in one step; the rest stays due
local TRIM_STEPS = 16 -- events between two looks at how many are kept
local WRITTEN_MAX = 500 -- words of one HSET; the server's Lua takes some thousands
local CAPACITY_DEFAULT = 10
local RATIO_STEPS, ORDER_STEPS = 2 ^ 20, 2 ^ 33 -- a score of available:D is exact below 2^53

local call -- of the server's libraries, as pack, decode and read

local P, run_id, request, now, by, limits, limits_packed, lease_known, more_is_due
local epoch, seq, order
local agents, agents_touched, departments_touched, agents_removed, departments_removed, changes

local function reject(code, details)
  error({rejected = code, details = details})
end

-- What a step knows of agents and is about to tell; a call is one step, or two if something was due. The lists have
-- room for what most calls put there.
local function begin_step()
  agents, agents_touched, departments_touched, agents_removed, departments_removed = {}, {nil, nil}, {}, {}, {}
  changes = {nil}
end

-- Another run of event numbers: whoever followed the last one reads the directory anew, and sees from `before`
-- whether it had heard what the store has forgotten.
local function begin_epoch()
  local time, before = call('TIME'), epoch and epoch .. ' ' .. seq or ''
  epoch, seq = string.format('%x%05x', time[1], time[2]), 0
  call('DEL', P .. 'events')
  call('HSET', P .. 'meta', 'epoch', epoch, 'seq', 0, 'run', run_id, 'before', before)
end

local function begin(keys, args)
  call, pack, decode, read = redis.call, cmsgpack.pack, cmsgpack.unpack, cmsgpack.unpack_limit
  P, run_id, request = keys[1], args[1], decode(args[2])
  now, by = request.now, nil
  if not now then
    local time = call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  -- A node says the same at every call.
  if request.limits ~= limits_packed then
    limits_packed = request.limits
    local given = decode(limits_packed)
    limits = {events = given[1], key_ms = given[2], closed_ms = given[3], presence_grace_ms = given[4],
      session_grace_ms = given[5], agents = given[6], departments = given[7], sessions = given[8], history = given[9]}
  end
  begin_step()
  local meta = call('HMGET', P .. 'meta', 'epoch', 'seq', 'order', 'run')
  epoch, seq, order = meta[1], tonumber(meta[2] or 0), tonumber(meta[3] or 0)
  if meta[4] ~= run_id or not epoch then begin_epoch() end
end
