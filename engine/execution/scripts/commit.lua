-- Commits checkpoints of runs of one lane, and parks, releases or ends them.
-- What goes into the log goes there in the same step, once.
--
-- The hash claims:<worker> has the runs that the worker executes, each with its
-- last commit, "fence.serial": one read of it tells for all commits of a call
-- which may still be written. Whoever takes a run away removes it there. A run
-- that leaves has its last commit in its own hash, as 'c'.
--
-- KEYS[1]  lane prefix
-- ARGV     now (ms), worker, timer channel, lane number, how many commits, their
--          ids, then for each commit: fencing number, serial, number of fields,
--          and that many of (field, value or '' to remove it, log key or '', log
--          value or '' for value), then
--          the way on: 'go' | 'park', wake (ms), signals seen | 'release' |
--          'end', state, what its caller is still to be told or '', '1' when a
--          limit gave it a place | 'fail', as 'end', group and example of a notice
-- returns  a list with, for each commit, 0: refused, another worker has the
--          run; 1: done; 2: not parked, since signals came that the worker has
--          not seen; then a list with id and queue of each run that got the
--          place of one that ended, and needs a job
local prefix = KEYS[1] .. ':'
local now, worker, channel, lane, commits = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local out, rows, told, left, stay, freed, bytes = {}, {}, {}, {}, {}, {}, 0
local timers = prefix .. 'timers'
local claims = prefix .. 'claims:' .. worker
local earliest

-- last is the last commit of each run; of one that is not claimed, false.
local last, i = {}, 6 + commits
for n, commit in ipairs(redis.call('HMGET', claims, unpack(ARGV, 6, 5 + commits))) do last[ARGV[5 + n]] = commit end

local function append()
  if #rows > 0 then
    redis.call('XADD', prefix .. 'log', '*', unpack(rows))
    rows = {}
  end
end

for n = 1, commits do
  local id, fence, fields = ARGV[5 + n], ARGV[i], tonumber(ARGV[i + 2])
  local commit, before = fence .. '.' .. ARGV[i + 1], last[id]
  local first = i + 3
  i = first + 4 * fields
  local way, a, b, limited = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local group, example
  if way == 'fail' then way, group, example, i = 'end', ARGV[i + 4], ARGV[i + 5], i + 2 end
  if way == 'park' then i = i + 3 elseif way == 'end' then i = i + 4 else i = i + 1 end

  local key = prefix .. 'run:' .. id
  if before == commit then
    -- The same call again, after a lost reply; one that parked would have left.
    out[n] = way == 'park' and 2 or 1
  elseif not before then
    -- Perhaps that, too, of one that left.
    local have = redis.call('HMGET', key, 'f', 'c')
    out[n] = have[1] == fence and have[2] == commit and 1 or 0
  elseif string.sub(before, 1, #fence + 1) ~= fence .. '.' then
    out[n] = 0
  else
    local set = {}
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
    out[n] = 1
    local leaves = way ~= 'go'
    if way == 'end' then
      set[#set + 1], set[#set + 2] = 'st', a
      told[#told + 1] = id
      if group then note(prefix, group, now, example) end
      if b ~= '' then redis.call('HSET', prefix .. 'untold', id, b) end
      if limited == '1' then
        local limit = redis.call('HMGET', key, 'lk', 'ln')
        for _, word in ipairs(release(prefix, id, limit[1], limit[2], now)) do freed[#freed + 1] = word end
      end
    elseif way == 'release' then
      set[#set + 1], set[#set + 2] = 'st', 'queued'
      set[#set + 1], set[#set + 2] = 'w', ''
      set[#set + 1], set[#set + 2] = 'qt', now
      ready(prefix, redis.call('HGET', key, 'p'), { id }, 'LPUSH')
    elseif way == 'park' then
      if tonumber(redis.call('HGET', key, 'sg') or '0') > tonumber(b) then
        out[n], leaves = 2, false
      else
        set[#set + 1], set[#set + 2] = 'st', 'waiting'
        set[#set + 1], set[#set + 2] = 'w', ''
        set[#set + 1], set[#set + 2] = 'wu', a
        local wake = tonumber(a)
        if not earliest then
          local head = redis.call('ZRANGE', timers, 0, 0, 'WITHSCORES')
          earliest = { head[2] and tonumber(head[2]) or math.huge, math.huge }
        end
        redis.call('ZADD', timers, a, id)
        if wake < earliest[2] then earliest[2] = wake end
      end
    end
    if leaves then
      set[#set + 1], set[#set + 2] = 'c', commit
      left[#left + 1] = id
      last[id] = false
    else
      stay[#stay + 1], stay[#stay + 2] = id, commit
      last[id] = commit
    end
    if #set > 0 then redis.call('HSET', key, unpack(set)) end
  end
end
append()
if #left > 0 then redis.call('HDEL', claims, unpack(left)) end
if #stay > 0 then redis.call('HSET', claims, unpack(stay)) end
if bytes > 0 then redis.call('INCRBY', prefix .. 'logbytes', bytes) end
if earliest and earliest[2] < earliest[1] then
  redis.call('PUBLISH', channel, lane .. ' ' .. string.format('%.0f', earliest[2]))
end
if #told > 0 then redis.call('PUBLISH', prefix .. 'told', table.concat(told, ' ')) end
return { out, freed }
