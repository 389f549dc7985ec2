--[[
Settings: `setting(name, department_id)` is what holds.

What a department does not set is the tenant's; what that does not set is the default (SETTING_DEFAULTS, written by
library.py from the protocol's table; none where it says nothing). A level of settings is a field of the tenant's
hash, sID of a department and s of the tenant itself: each setting by its name, packed. `meta.extra.settings` names
the state of all of them and is unset until something was set, so that a tenant which sets nothing reads nothing.
]]
local read_settings, level_of, setting, require_parties, change_settings, forget_settings, pack_settings
do

local LEVELS_MAX, LEVELS_BYTES_MAX = 1000, 4 * 2 ^ 20 -- levels kept decoded, and the bytes of their records

local levels, levels_count, levels_bytes = {}, 0, 0 -- by tenant: {version, [field] = {name = value}}, kept from call to call

local function settings_field(department_id)
  return 's' .. (department_id or '')
end

-- What is set on a level, packed, by name.
function read_settings(department_id)
  local field = settings_field(department_id)
  local record = meta.extra.settings and call('HGET', P .. 'tenant', field)
  if not record then return {}, 0 end
  local ok, kept = pcall(decode, record)
  if ok and type(kept) == 'table' then return kept, #record end
  set_aside('settings ' .. field, record, 'the record cannot be read')
  return {}, 0
end

-- What is set on a level, decoded. A level is read once for each state of the tenant's settings.
function level_of(department_id)
  local known, field = levels[P], settings_field(department_id)
  if not known or known.version ~= meta.extra.settings then
    known = {version = meta.extra.settings}
    levels[P] = known
  end
  local level = known[field]
  if not level then
    local kept, bytes = read_settings(department_id)
    level = {}
    for name, packed in pairs(kept) do
      local ok, value = pcall(decode, packed)
      -- Canned replies are for clients, and are long.
      if ok and name ~= 'replies' then level[name] = value end
    end
    levels_count, levels_bytes = levels_count + 1, levels_bytes + bytes
    if levels_count > LEVELS_MAX or levels_bytes > LEVELS_BYTES_MAX then
      known, levels_count, levels_bytes = {version = known.version}, 1, bytes
      levels = {[P] = known}
    end
    known[field] = level
  end
  return level
end

-- The setting that holds in a department, or in the tenant; nil where nothing is set and there is no default.
function setting(name, department_id)
  if not meta.extra.settings then return SETTING_DEFAULTS[name] end
  local value
  if department_id then value = level_of(department_id)[name] end
  if value == nil then value = level_of()[name] end
  if value == nil then value = SETTING_DEFAULTS[name] end
  return value
end

-- Another state of the tenant's settings: what was decoded before is read again.
local function touch_settings()
  settings_changed = true
  set_extra(meta, 'settings', meta.epoch .. ' ' .. meta.seq + 1)
end

-- Every department and agent that new settings name must exist; `department_id` may be about to.
function require_parties(parties, department_id)
  for _, party in ipairs(parties) do
    local id = party.id
    if not (party.kind == 'department' and id == department_id)
        and call('HEXISTS', P .. 'tenant', string.sub(party.kind, 1, 1) .. id) == 0 then
      reject('not_found', {[party.kind .. '_id'] = id})
    end
  end
end

-- Set what is given, name by name: packed, or false for what is not set any more. Return what is set then, and whether
-- the rule is another one.
function change_settings(given, department_id)
  local kept, changed = read_settings(department_id), false
  local rule = kept.rule
  for name, packed in pairs(given) do
    if kept[name] ~= (packed or nil) then
      kept[name], changed = packed or nil, true
    end
  end
  if not changed then return kept, false end
  if next(kept) then
    call('HSET', P .. 'tenant', settings_field(department_id), pack(kept))
  else
    call('HDEL', P .. 'tenant', settings_field(department_id))
  end
  touch_settings()
  return kept, kept.rule ~= rule
end

-- A department is removed: what it has set goes with it.
function forget_settings(department_id)
  if meta.extra.settings and call('HDEL', P .. 'tenant', settings_field(department_id)) == 1 then touch_settings() end
end

function pack_settings(kept)
  return next(kept) and pack(kept) or '\128'
end

end
