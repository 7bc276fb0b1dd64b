-- Accepts runs of one lane: after it a run exists, is queued or waits for a
-- limit, and is found by the keeper should its job never reach the queue.
--
-- KEYS[1]  lane prefix
-- ARGV     now (ms), limit of the unwritten log (bytes, 0: none), number of
--          runs, for each 0 and its id, then for each: queue, idempotency key
--          or '', seconds that the key is kept, number of words that limit it,
--          those words (below), number of fields, and that many pairs of field
--          and value
--          words: 'rate' key limit per(ms) | 'throttle' key limit per(ms) |
--          'debounce' key period(ms) longest(ms, 0: none) | 'concurrency' key
--          limit policy; and last 'deadline' ms '' ''
-- returns  for each run code, id, more: 1 accepted, and needs a job; 2 the
--          idempotency key has this run already; 3 accepted, and waits; 4 not
--          accepted: the concurrency limit is reached; 5 not accepted: the rate
--          limit is, for more ms; 0 not accepted: the log has reached its limit.
--          With 3, more is a run to be canceled in favour of this one, or ''
local prefix = KEYS[1] .. ':'
local now, loglimit, runs = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local live = prefix .. 'live'
local full = loglimit > 0 and tonumber(redis.call('GET', prefix .. 'logbytes') or '0') >= loglimit

-- window counts what happened in the last while, and says when there is room.
local function window(key, limit, per)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - per)
  if redis.call('ZCARD', key) < limit then return 0 end
  local nth = redis.call('ZRANGE', key, -limit, -limit, 'WITHSCORES')
  return tonumber(nth[2]) + per
end

-- limited decides by a run's limits: code, more, start (ms; 0: now), place.
local function limited(id, first, last)
  local start, more, place = 0, '', nil
  for w = first, last, 4 do
    local kind, key, a, b = ARGV[w], ARGV[w + 1], tonumber(ARGV[w + 2]), tonumber(ARGV[w + 3])
    if kind == 'rate' then
      local set = prefix .. 'rate:' .. key
      local free = window(set, a, b)
      if free > 0 then return 5, string.format('%.0f', free - now) end
      redis.call('ZADD', set, now, id)
      redis.call('PEXPIRE', set, b)
    elseif kind == 'throttle' then
      local set = prefix .. 'throttle:' .. key
      local free = window(set, a, b)
      if free > now then start = math.max(start, free) end
      redis.call('ZADD', set, math.max(free, now), id)
      redis.call('PEXPIRE', set, math.max(free, now) - now + b)
    elseif kind == 'debounce' then
      local hash = prefix .. 'debounce:' .. key
      local before = redis.call('HMGET', hash, 'id', 'first')
      local begun = now
      if before[1] then
        local have = redis.call('HMGET', prefix .. 'run:' .. before[1], 'st', 'at')
        if have[1] == 'waiting' and not have[2] then
          begun, more = tonumber(before[2]), before[1]
        end
      end
      local due = now + a
      if b > 0 then due = math.min(due, begun + b) end
      start = math.max(start, due, now + 1)
      redis.call('HSET', hash, 'id', id, 'first', string.format('%.0f', begun))
      redis.call('PEXPIRE', hash, start - now + a)
    elseif kind == 'concurrency' then
      place = { key, ARGV[w + 2] }
      local holding = prefix .. 'hold:' .. key
      if ARGV[w + 3] == 'skip' and start == 0 and redis.call('ZCARD', holding) >= a then return 4, '' end
      if ARGV[w + 3] == 'cancelOldest' and redis.call('ZCARD', holding) >= a then
        more = redis.call('ZRANGE', holding, 0, 0)[1] or ''
      end
    end
  end
  return 1, more, start, place
end

-- The set of what lives tells by one call that none of the runs is there, as
-- nearly always; else each is looked up.
local fresh = redis.call('ZADD', live, 'NX', unpack(ARGV, 4, 3 + 2 * runs)) == runs

local out, refused, queued, i = {}, {}, {}, 4 + 2 * runs
for n = 1, runs do
  local own = ARGV[3 + 2 * n]
  local id, queue, idem, ttl, words = own, ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  local firstword = i + 4
  local fields = tonumber(ARGV[firstword + words])
  local first = firstword + words + 1
  i = first + 2 * fields
  local key = prefix .. 'run:' .. id
  local taken = idem ~= '' and redis.call('GET', prefix .. 'idem:' .. idem)
  local code, more, start, place = 1, '', 0, nil
  local there = not fresh and redis.call('EXISTS', key) == 1
  if taken and (taken ~= id or not there) then
    -- Another run has the key; or this one was accepted before, and has ended
    -- and gone meanwhile: a call can be late by more than a run takes.
    code, id = 2, taken
  elseif there then
    -- The same call again, after a lost reply.
    if redis.call('HGET', key, 'st') == 'waiting' then code = 3 end
  elseif full then
    code = 0
  else
    if words > 0 then code, more, start, place = limited(id, firstword, firstword + words - 5) end
    if code == 1 then
      -- The fencing number begins at the time: when Redis has lost its memory and
      -- the run is accepted once more, its numbers are above those of before.
      redis.call('HSET', key, 'st', 'queued', 'f', ARGV[1], 'p', queue, unpack(ARGV, first, i - 1))
      there = true
      local deadline = words > 0 and ARGV[firstword + words - 3]
      if place then redis.call('HSET', key, 'lk', place[1], 'ln', place[2], 'dl', deadline) end
      if start > 0 then
        redis.call('HSET', key, 'st', 'waiting', 'wu', string.format('%.0f', start))
        redis.call('ZADD', prefix .. 'timers', string.format('%.0f', start), id)
        code = 3
      elseif place and not hold(prefix, id, place[1], place[2]) then
        redis.call('HSET', key, 'st', 'waiting', 'wu', deadline)
        redis.call('ZADD', prefix .. 'timers', deadline, id)
        code = 3
      else
        local list = queued[queue]
        if not list then
          list = {}
          queued[queue] = list
        end
        list[#list + 1] = id
      end
      if idem ~= '' then redis.call('SET', prefix .. 'idem:' .. idem, id, 'EX', ttl) end
    end
  end
  if not there then refused[#refused + 1] = own end
  out[#out + 1], out[#out + 2], out[#out + 3] = code, id, more
end
if #refused > 0 then redis.call('ZREM', live, unpack(refused)) end
for queue, ids in pairs(queued) do ready(prefix, queue, ids) end
return out
