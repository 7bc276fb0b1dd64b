-- Gives queued runs to a worker, each under a new fencing number.
--
-- KEYS[1]  lane prefix
-- ARGV     now (ms), worker, ids
-- returns  for each run that was queued: its id and all its fields
local prefix = KEYS[1] .. ':'
local now, worker = ARGV[1], ARGV[2]
local out = {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local key = prefix .. 'run:' .. id
  local got = redis.call('HMGET', key, 'st', 'p')
  if got[1] == 'queued' then
    redis.call('ZREM', prefix .. 'queued:' .. got[2], id)
    redis.call('HINCRBY', key, 'f', 1)
    redis.call('HSET', key, 'st', 'running', 'w', worker)
    redis.call('HSETNX', key, 'at', now)
    redis.call('HDEL', key, 'wu')
    redis.call('SADD', prefix .. 'running:' .. worker, id)
    out[#out + 1] = { id, redis.call('HGETALL', key) }
  end
end
return out
