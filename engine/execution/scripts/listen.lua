-- Notes that a run waits for an event, and returns the events of that name
-- that came since a time: an event is in this answer, or its publisher finds
-- the run among those that wait.
--
-- KEYS[1]  prefix of the project's events
-- ARGV     name, run, since (ms)
-- returns  events (JSON)
local prefix = KEYS[1] .. ':'
redis.call('SADD', prefix .. 'waiting:' .. ARGV[1], ARGV[2])
return redis.call('ZRANGEBYSCORE', prefix .. 'recent:' .. ARGV[1], ARGV[3], '+inf')
