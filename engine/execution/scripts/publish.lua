-- Keeps an event for the runs that will wait for it, and names those that do.
-- It came when the publisher says, but not before Redis' own time: by the clock of
-- a worker that is behind, it would have come before a run that was accepted
-- already.
--
-- KEYS[1]  prefix of the project's events
-- ARGV     now (ms), name, id, event (JSON), how long it is kept (ms), how many
--          events of a name are kept
-- returns  the ids of the runs that wait
local prefix = KEYS[1] .. ':'
local name, id, event, kept, most = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local recent = prefix .. 'recent:' .. name
if redis.call('SET', prefix .. 'seen:' .. name .. ':' .. id, 1, 'NX', 'PX', ARGV[5]) then
  redis.call('ZADD', recent, string.format('%.0f', math.max(tonumber(ARGV[1]), now)), event)
  redis.call('ZREMRANGEBYSCORE', recent, '-inf', '(' .. string.format('%.0f', now - kept))
  local over = redis.call('ZCARD', recent) - most
  if over > 0 then redis.call('ZREMRANGEBYRANK', recent, 0, over - 1) end
  redis.call('PEXPIRE', recent, ARGV[5])
end
return redis.call('SMEMBERS', prefix .. 'waiting:' .. name)
