-- Finds queued runs, in the order in which their projects have their turn.
--
-- KEYS[1]  lane prefix
-- ARGV     priority, how many at most
-- returns  ids
local prefix = KEYS[1] .. ':'
local priority, most = ARGV[1], tonumber(ARGV[2])
local out = {}
for _, project in ipairs(redis.call('ZRANGE', prefix .. 'turns:' .. priority, 0, -1)) do
  local list = prefix .. 'ready:' .. priority .. '/' .. project
  for _, id in ipairs(redis.call('LRANGE', list, 0, most - #out - 1)) do out[#out + 1] = id end
  if #out >= most then break end
end
return out
