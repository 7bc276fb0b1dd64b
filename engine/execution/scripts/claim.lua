-- Gives queued runs to a worker, each under a new fencing number: the next of
-- each project in turn, by the projects' weights.
--
-- KEYS[1]  lane prefix
-- ARGV     now (ms), worker, priority, how many at most, then name and weight of
--          projects whose weight is not 1
-- returns  '1' while workflows of the lane are paused, else '0'; then for each
--          run that begins and has nothing yet but its start: its id, fencing
--          number and start; for each other a list of its id and all its fields,
--          and 'nw' with one that begins, '1' or '0' as above
local prefix = KEYS[1] .. ':'
local now, worker, priority, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local turns = prefix .. 'turns:' .. priority
local paused = tostring(redis.call('EXISTS', prefix .. 'paused'))
local out, claimed = { paused }, {}
local got = 0

local function weight(project)
  for i = 5, #ARGV, 2 do
    if ARGV[i] == project then return tonumber(ARGV[i + 1]) end
  end
  return 1
end

local function claim(id)
  local key = prefix .. 'run:' .. id
  local all = redis.call('HGETALL', key)
  local at = {}
  for j = 1, #all, 2 do at[all[j]] = j + 1 end
  if not at['st'] or all[at['st']] ~= 'queued' then return end
  local fence = string.format('%.0f', all[at['f']] + 1)
  got = got + 1
  claimed[#claimed + 1], claimed[#claimed + 2] = id, fence .. '.'
  if at['at'] then
    redis.call('HSET', key, 'st', 'running', 'w', worker, 'f', fence)
  else
    redis.call('HSET', key, 'st', 'running', 'w', worker, 'f', fence, 'at', now)
    if #all == 8 and at['m'] and at['p'] then
      local n = #out
      out[n + 1], out[n + 2], out[n + 3] = id, fence, all[at['m']]
      return
    end
    all[#all + 1], all[#all + 2] = 'at', now
    all[#all + 1], all[#all + 2] = 'nw', paused
  end
  all[at['st']], all[at['f']] = 'running', fence
  out[#out + 1] = { id, all }
end

while got < most do
  local order = redis.call('ZRANGE', turns, 0, 1, 'WITHSCORES')
  local project, had, other = order[1], order[2], order[4]
  if not project then break end
  local n = most - got
  if other then n = math.min(n, math.floor((other - had) * weight(project)) + 1) end
  local list = prefix .. 'ready:' .. priority .. '/' .. project
  local ids = redis.call('LPOP', list, n) or {}
  if redis.call('EXISTS', list) == 0 then
    redis.call('ZREM', turns, project)
  elseif other then
    redis.call('ZINCRBY', turns, #ids / weight(project), project)
  end
  for _, id in ipairs(ids) do claim(id) end
end
if #claimed > 0 then redis.call('HSET', prefix .. 'claims:' .. worker, unpack(claimed)) end
return out
