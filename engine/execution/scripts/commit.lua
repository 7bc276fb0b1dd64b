-- Commits checkpoints of runs of one lane, and parks, releases or ends them.
-- What goes into the log goes there in the same step, once.
--
-- KEYS[1]  lane prefix
-- ARGV     now (ms), worker, timer channel, lane number, then for each commit:
--          id, fencing number, commit id, number of fields, and that many of
--          (field, value or '' to remove it, log key or '', log value or ''
--          for value), then
--          the way on: 'go' | 'park', wake (ms), signals seen | 'release' |
--          'end', state, what its caller is still to be told or ''
-- returns  a list with, for each commit, 0: refused, another worker has the
--          run; 1: done; 2: not parked, since signals came that the worker has
--          not seen; then a list with id and queue of each run that got the
--          place of one that ended, and needs a job
local prefix = KEYS[1] .. ':'
local now, worker, channel, lane = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local out, rows, told, left, freed, i, bytes = {}, {}, {}, {}, {}, 5, 0
local timers = prefix .. 'timers'
local running = prefix .. 'running:' .. worker
local earliest

local function append()
  if #rows > 0 then
    redis.call('XADD', prefix .. 'log', '*', unpack(rows))
    rows = {}
  end
end

while i <= #ARGV do
  local id, fence, commit, fields = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  local first = i + 4
  i = first + 4 * fields
  local way, a, b = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if way == 'park' or way == 'end' then i = i + 3 else i = i + 1 end

  local key = prefix .. 'run:' .. id
  local have
  if way == 'go' then
    -- Whoever takes the run away raises the fencing number: it says enough.
    have = redis.call('HMGET', key, 'f', 'c', 'rc')
    have = { have[1], worker, have[2], nil, nil, 'running', have[3] }
  else
    have = redis.call('HMGET', key, 'f', 'w', 'c', 'sg', 'p', 'st', 'rc', 'lk', 'ln')
  end
  if have[1] ~= fence then
    out[#out + 1] = 0
  elseif have[3] == commit then
    -- The same call again, after a lost reply.
    if way == 'park' and have[6] == 'running' then out[#out + 1] = 2 else out[#out + 1] = 1 end
  elseif have[2] ~= worker or have[6] ~= 'running' then
    out[#out + 1] = 0
  else
    local set = { 'c', commit }
    for j = first, first + 4 * fields - 1, 4 do
      local field, value, logkey, logvalue = ARGV[j], ARGV[j + 1], ARGV[j + 2], ARGV[j + 3]
      if field ~= '' and value == '' then
        redis.call('HDEL', key, field)
      elseif field ~= '' then
        set[#set + 1], set[#set + 2] = field, value
        if field == 'rs' then told[#told + 1] = id end
      end
      if logkey ~= '' then
        if logvalue == '' then logvalue = value end
        rows[#rows + 1], rows[#rows + 2] = logkey, logvalue
        bytes = bytes + #logvalue
        if #rows >= 2000 then append() end
      end
    end
    local code = 1
    if way == 'end' then
      set[#set + 1], set[#set + 2] = 'st', a
      left[#left + 1] = id
      told[#told + 1] = id
      if b ~= '' then redis.call('HSET', prefix .. 'untold', id, b) end
      if have[8] then
        for _, word in ipairs(release(prefix, id, have[8], have[9], now)) do freed[#freed + 1] = word end
      end
    elseif way == 'release' then
      set[#set + 1], set[#set + 2] = 'st', 'queued'
      set[#set + 1], set[#set + 2] = 'w', ''
      set[#set + 1], set[#set + 2] = 'qt', now
      left[#left + 1] = id
      ready(prefix, have[5], { id }, 'LPUSH')
    elseif way == 'park' then
      if tonumber(have[4] or '0') > tonumber(b) then
        code = 2
      else
        set[#set + 1], set[#set + 2] = 'st', 'waiting'
        set[#set + 1], set[#set + 2] = 'w', ''
        set[#set + 1], set[#set + 2] = 'wu', a
        left[#left + 1] = id
        local wake = tonumber(a)
        if not earliest then
          local head = redis.call('ZRANGE', timers, 0, 0, 'WITHSCORES')
          earliest = { head[2] and tonumber(head[2]) or math.huge, math.huge }
        end
        redis.call('ZADD', timers, a, id)
        if wake < earliest[2] then earliest[2] = wake end
      end
    end
    if have[7] and (way == 'go' or way == 'park') then
      -- Progress: what the run did so far killed no worker.
      redis.call('HDEL', key, 'rc')
    end
    redis.call('HSET', key, unpack(set))
    out[#out + 1] = code
  end
end
append()
if #left > 0 then redis.call('SREM', running, unpack(left)) end
if bytes > 0 then redis.call('INCRBY', prefix .. 'logbytes', bytes) end
if earliest and earliest[2] < earliest[1] then
  redis.call('PUBLISH', channel, lane .. ' ' .. string.format('%.0f', earliest[2]))
end
if #told > 0 then redis.call('PUBLISH', prefix .. 'told', table.concat(told, ' ')) end
return { out, freed }
