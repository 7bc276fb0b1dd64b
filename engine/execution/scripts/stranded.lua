-- Finds queued runs whose job must have been lost: they were queued before
-- anything that still waits in the queue. They count as queued now, so that
-- they are not found again before their new job had its turn.
--
-- KEYS[1]  lane prefix
-- ARGV     now (ms), priority, queued before (ms), how many at most
-- returns  ids that need a job
local queued = KEYS[1] .. ':queued:' .. ARGV[2]
local ids = redis.call('ZRANGEBYSCORE', queued, '-inf', '(' .. ARGV[3], 'LIMIT', 0, ARGV[4])
for _, id in ipairs(ids) do
  redis.call('ZADD', queued, ARGV[1], id)
end
return ids
