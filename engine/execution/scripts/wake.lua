-- Queues the parked runs whose time has come. One that needs a place under a
-- limit and finds none waits in line, until its deadline.
--
-- KEYS[1]  lane prefix
-- ARGV     now (ms), how many at most
-- returns  the time (ms) of the earliest timer left, '' for none; then id and
--          queue of each run that needs a job
local prefix = KEYS[1] .. ':'
local now = ARGV[1]
local timers = prefix .. 'timers'
local out = { '' }
for _, id in ipairs(redis.call('ZRANGEBYSCORE', timers, '-inf', now, 'LIMIT', 0, ARGV[2])) do
  redis.call('ZREM', timers, id)
  local key = prefix .. 'run:' .. id
  local have = redis.call('HMGET', key, 'st', 'p', 'lk', 'ln', 'at', 'dl')
  if have[1] == 'waiting' then
    local free = true
    if have[3] and not have[5] and tonumber(have[6] or '0') > tonumber(now) then
      free = hold(prefix, id, have[3], have[4])
    end
    if free then
      queue(prefix, key, id, have[2], now)
      out[#out + 1], out[#out + 2] = id, have[2]
    else
      redis.call('HSET', key, 'wu', have[6])
      redis.call('ZADD', timers, have[6], id)
    end
  end
end
local head = redis.call('ZRANGE', timers, 0, 0, 'WITHSCORES')
if head[2] then out[1] = head[2] end
return out
