-- Commits checkpoints of runs of one lane, and parks, releases or ends them.
-- What goes into the log goes there in the same step, once, as one entry.
--
-- The hash claims:<worker> has the runs that the worker executes, each with its
-- last commit, "fence.serial": one read of it tells for all commits of a call
-- whether each is the next of its run. Whoever takes a run away removes it
-- there. A run that leaves has its last commit in its own hash, as 'c'.
--
-- KEYS[1]  lane prefix
-- ARGV     now (ms), worker, timer channel, lane number, the rows of the log as one
--          value (engine/logs) or '', how many commits, the ids of their runs, the
--          commit before each, then for each commit: itself, the way on, how many
--          fields are set ("sets removes response" where some are removed, or the
--          response is among them: '1'), that many pairs of field and value, the
--          fields to remove, and the rest of the way:
--          'go' | 'park', wake (ms), signals seen; its last four pairs are set
--          only if it parks | 'release' | 'end', what its caller is still
--          to be told or '', '1' when a limit gave it a place | 'fail', as
--          'end', group and example of a notice
-- returns  a list with, for each commit, 0: refused, another worker has the
--          run; 1: done; 2: not parked, since signals came that the worker has
--          not seen; then a list with id and queue of each run that got the
--          place of one that ended, and needs a job. Where one of several is not
--          the next of its run, nothing is done and the list is empty: the
--          caller sends each apart
local prefix = KEYS[1] .. ':'
local now, worker, channel, lane, rows, commits = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local out, told, left, stay, freed = {}, {}, {}, {}, {}
local timers = prefix .. 'timers'
local claims = prefix .. 'claims:' .. worker
local earliest
local i = 7 + 2 * commits

local next, seen = true, {}
for n, before in ipairs(redis.call('HMGET', claims, unpack(ARGV, 7, 6 + commits))) do
  local id = ARGV[6 + n]
  if before ~= ARGV[6 + commits + n] or seen[id] then next = before end
  seen[id] = true
end
if next ~= true then
  if commits > 1 then return { out, freed } end
  local commit, way = ARGV[i], ARGV[i + 1]
  if next == commit then
    -- The same call again, after a lost reply; one that parked would have left.
    return { { way == 'park' and 2 or 1 }, freed }
  elseif next then
    return { { 0 }, freed }
  end
  -- Not claimed. Perhaps it is the same call again of one that left.
  local have = redis.call('HMGET', prefix .. 'run:' .. ARGV[7], 'f', 'c')
  local same = have[2] == commit and string.match(commit, '^%d+') == have[1]
  return { { same and 1 or 0 }, freed }
end

for n = 1, commits do
  local id, commit, way, sets, removes, response = ARGV[6 + n], ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), 0, nil
  if not sets then
    sets, removes, response = string.match(ARGV[i + 2], '^(%d+) (%d+) (%d?)$')
    sets, removes = tonumber(sets), tonumber(removes)
  end
  local key = prefix .. 'run:' .. id
  local first = i + 3
  local last = first + 2 * sets - 1
  i = last + removes + 1
  out[n] = 1
  local leaves = way ~= 'go'
  if way == 'park' then
    local a, b = ARGV[i], ARGV[i + 1]
    i = i + 2
    if tonumber(redis.call('HGET', key, 'sg') or '0') > tonumber(b) then
      out[n], leaves, last = 2, false, last - 8
    else
      local wake = tonumber(a)
      if not earliest then
        local head = redis.call('ZRANGE', timers, 0, 0, 'WITHSCORES')
        earliest = { head[2] and tonumber(head[2]) or math.huge, math.huge }
      end
      redis.call('ZADD', timers, a, id)
      if wake < earliest[2] then earliest[2] = wake end
    end
  elseif way == 'release' then
    ready(prefix, redis.call('HGET', key, 'p'), { id }, 'LPUSH')
  elseif leaves then
    local tell, limited = ARGV[i], ARGV[i + 1]
    i = i + 2
    told[#told + 1] = id
    if way == 'fail' then
      note(prefix, ARGV[i], now, ARGV[i + 1])
      i = i + 2
    end
    if tell ~= '' then redis.call('HSET', prefix .. 'untold', id, tell) end
    if limited == '1' then
      local limit = redis.call('HMGET', key, 'lk', 'ln')
      for _, word in ipairs(release(prefix, id, limit[1], limit[2], now)) do freed[#freed + 1] = word end
    end
  end
  if last > first then redis.call('HSET', key, unpack(ARGV, first, last)) end
  if removes > 0 then
    local begin = first + 2 * sets
    redis.call('HDEL', key, unpack(ARGV, begin, begin + removes - 1))
  end
  if response == '1' then told[#told + 1] = id end
  if leaves then
    left[#left + 1] = id
  else
    stay[#stay + 1], stay[#stay + 2] = id, commit
  end
end
if rows ~= '' then
  redis.call('XADD', prefix .. 'rows', '*', 'rows', rows)
  redis.call('INCRBY', prefix .. 'logbytes', #rows)
end
if #left > 0 then redis.call('HDEL', claims, unpack(left)) end
if #stay > 0 then redis.call('HSET', claims, unpack(stay)) end
if earliest and earliest[2] < earliest[1] then
  redis.call('PUBLISH', channel, lane .. ' ' .. string.format('%.0f', earliest[2]))
end
if #told > 0 then redis.call('PUBLISH', prefix .. 'told', table.concat(told, ' ')) end
return { out, freed }
