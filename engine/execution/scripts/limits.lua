-- Limits of a workflow's runs; a part of the scripts below that need it. All
-- runs of a workflow with limits live in one lane, so one script sees them all.
--
-- A run with a concurrency limit has in its hash 'lk', the key of the limit,
-- and 'ln', its size. The runs that hold a place are in the sorted set
-- hold:<lk>, those that wait for one in line:<lk>, both in order of arrival.

-- queue makes a run ready for a worker.
local function queue(prefix, key, id, where, now)
  redis.call('HSET', key, 'st', 'queued', 'qt', now)
  redis.call('ZREM', prefix .. 'timers', id)
  ready(prefix, where, { id })
end

-- hold gives a run a place under its limit, or a place in the line. It reports
-- whether the run may go on.
local function hold(prefix, id, limitkey, size)
  local holding, line = prefix .. 'hold:' .. limitkey, prefix .. 'line:' .. limitkey
  if redis.call('ZSCORE', holding, id) then return true end
  local order = redis.call('INCR', prefix .. 'arrivals')
  if redis.call('ZCARD', holding) < tonumber(size) then
    redis.call('ZREM', line, id)
    redis.call('ZADD', holding, order, id)
    return true
  end
  if not redis.call('ZSCORE', line, id) then redis.call('ZADD', line, order, id) end
  return false
end

-- release takes back the place of a run that has ended, and queues those that
-- waited for it. It returns them: id, queue, …
local function release(prefix, id, limitkey, size, now)
  local holding, line = prefix .. 'hold:' .. limitkey, prefix .. 'line:' .. limitkey
  redis.call('ZREM', holding, id)
  redis.call('ZREM', line, id)
  local out = {}
  while redis.call('ZCARD', holding) < tonumber(size) do
    local first = redis.call('ZPOPMIN', line)
    if not first[1] then break end
    local key = prefix .. 'run:' .. first[1]
    local have = redis.call('HMGET', key, 'st', 'p')
    if have[1] == 'waiting' then
      redis.call('ZADD', holding, redis.call('INCR', prefix .. 'arrivals'), first[1])
      queue(prefix, key, first[1], have[2], now)
      out[#out + 1], out[#out + 2] = first[1], have[2]
    end
  end
  return out
end
