-- Holds runs of paused workflows that a worker has just claimed and not begun.
--
-- KEYS[1]  lane prefix
-- ARGV     now (ms), worker, then for each run its id and its workflow
--          ("project/name")
-- returns  the ids that are held
local prefix = KEYS[1] .. ':'
local now, worker = ARGV[1], ARGV[2]
local out = {}
for i = 3, #ARGV, 2 do
  local id, workflow = ARGV[i], ARGV[i + 1]
  local key = prefix .. 'run:' .. id
  local have = redis.call('HMGET', key, 'st', 'w')
  if have[1] == 'running' and have[2] == worker and redis.call('SISMEMBER', prefix .. 'paused', workflow) == 1 then
    redis.call('HINCRBY', key, 'f', 1)
    redis.call('HSET', key, 'st', 'waiting', 'w', '')
    redis.call('HDEL', key, 'at', 'wu')
    redis.call('HDEL', prefix .. 'claims:' .. worker, id)
    redis.call('ZADD', prefix .. 'held:' .. workflow, now, id)
    redis.call('SADD', prefix .. 'holding', workflow)
    out[#out + 1] = id
  end
end
return out
