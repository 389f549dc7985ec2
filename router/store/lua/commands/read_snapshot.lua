--[[
Read many things of a tenant at one instant. Nothing is begun, swept or written: it only looks.

reads: {command, key after the tenant's prefix, argument, ...} each.
Result {now, values}: the server's time, and what each read found, in their order; what is not there is false, and a
read that the key's type does not allow is {err = text}.
]]
redis.register_function{
  function_name = LIBRARY .. '_read_snapshot',
  flags = {'no-writes'},
  callback = function(keys, args)
    if not call then bind() end
    local values = {}
    for i, read in ipairs(decode(args[2])[4].reads) do
      local value = redis.pcall(read[1], keys[1] .. read[2], unpack(read, 3))
      values[i] = type(value) == 'table' and value.ok or value
    end
    local time = call('TIME')
    return pack({result = {now = time[1] * 1000 + math.floor(time[2] / 1000), values = values}})
  end,
}
