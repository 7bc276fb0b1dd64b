-- Keeps an event for the runs that will wait for it, and names those that do.
--
-- KEYS[1]  prefix of the project's events
-- ARGV     now (ms), name, id, event (JSON), how long it is kept (ms), how many
--          events of a name are kept
-- returns  the ids of the runs that wait
local prefix = KEYS[1] .. ':'
local now, name, id, event = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local recent = prefix .. 'recent:' .. name
if redis.call('SET', prefix .. 'seen:' .. name .. ':' .. id, 1, 'NX', 'PX', ARGV[5]) then
  redis.call('ZADD', recent, now, event)
  redis.call('ZREMRANGEBYSCORE', recent, '-inf', '(' .. string.format('%.0f', now - tonumber(ARGV[5])))
  local over = redis.call('ZCARD', recent) - tonumber(ARGV[6])
  if over > 0 then redis.call('ZREMRANGEBYRANK', recent, 0, over - 1) end
  redis.call('PEXPIRE', recent, ARGV[5])
end
return redis.call('SMEMBERS', prefix .. 'waiting:' .. name)
