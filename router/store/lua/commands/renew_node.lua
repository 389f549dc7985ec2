--[[
A node renews its lease on the store, whatever tenants it serves, and says what it runs and reads. It is called without a
tenant: the first key's prefix is the store's own (`keys.STORE`).

  nodes    zset    "NODE RELEASE LIBRARY OLDEST NEWEST" by when it was renewed last: the node, its release, its function
                   library, and the oldest and newest schema that it reads
  schema   string  the schema in which every node writes

The schema grows as soon as each node that is or was there within kept_ms reads the newer one, so that the release before can
be started again for a while. A node that does not read the store's schema is refused before anything is written.

node_id, release, library, oldest, newest, kept_ms; now: only tests pass it.
Result {now, schema, nodes}: the server's time, and [member, score, member, score, ...].
]]
local function renew_node(keys, args)
  local request, time = cmsgpack.unpack(args[2]), redis.call('TIME')
  local now = request.now or time[1] * 1000 + math.floor(time[2] / 1000)
  local nodes, place = keys[1] .. 'nodes', keys[1] .. 'schema'
  local schema = tonumber(redis.call('GET', place) or 0)
  if schema > request.newest or (schema > 0 and schema < request.oldest) then
    return cmsgpack.pack({error = 'unavailable', details = {schema = schema}})
  end
  local member = table.concat({request.node_id, request.release, request.library, request.oldest, request.newest}, ' ')
  redis.call('ZADD', nodes, now, member)
  redis.call('ZREMRANGEBYSCORE', nodes, '-inf', '(' .. now - request.kept_ms)
  local kept = redis.call('ZRANGE', nodes, 0, -1, 'WITHSCORES')
  local read_by_all = request.newest
  for i = 1, #kept, 2 do
    read_by_all = math.min(read_by_all, tonumber(string.match(kept[i], '%d+$')))
  end
  if read_by_all > schema then
    schema = read_by_all
    redis.call('SET', place, schema)
  end
  return cmsgpack.pack({result = {now = now, schema = schema, nodes = kept}})
end

-- One line for a node: a store without memory left still knows which nodes are there.
redis.register_function{
  function_name = LIBRARY .. '_renew_node', callback = renew_node, flags = {'allow-oom'},
}
