-- Queues the parked runs whose time has come.
--
-- KEYS[1]  lane prefix
-- ARGV     now (ms), how many at most
-- returns  the time (ms) of the earliest timer left, '' for none; then id and
--          priority of each run that needs a job
local prefix = KEYS[1] .. ':'
local now = ARGV[1]
local timers = prefix .. 'timers'
local out = { '' }
for _, id in ipairs(redis.call('ZRANGEBYSCORE', timers, '-inf', now, 'LIMIT', 0, ARGV[2])) do
  redis.call('ZREM', timers, id)
  local key = prefix .. 'run:' .. id
  local have = redis.call('HMGET', key, 'st', 'p')
  if have[1] == 'waiting' then
    redis.call('HSET', key, 'st', 'queued')
    redis.call('ZADD', prefix .. 'queued:' .. have[2], now, id)
    out[#out + 1], out[#out + 2] = id, have[2]
  end
end
local head = redis.call('ZRANGE', timers, 0, 0, 'WITHSCORES')
if head[2] then out[1] = head[2] end
return out
