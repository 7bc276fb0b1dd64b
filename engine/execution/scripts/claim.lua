-- Gives queued runs to a worker, each under a new fencing number.
--
-- KEYS[1]  lane prefix
-- ARGV     now (ms), worker, ids
-- returns  for each run that was queued: its id and all its fields, and 'nw'
--          with one that begins while workflows of the lane are paused
local prefix = KEYS[1] .. ':'
local now, worker = ARGV[1], ARGV[2]
local out, claimed, queues = {}, {}, {}
local paused = redis.call('EXISTS', prefix .. 'paused') == 1
for i = 3, #ARGV do
  local id = ARGV[i]
  local key = prefix .. 'run:' .. id
  local all = redis.call('HGETALL', key)
  local at = {}
  for j = 1, #all, 2 do at[all[j]] = j + 1 end
  if at['st'] and all[at['st']] == 'queued' then
    local fence = string.format('%.0f', all[at['f']] + 1)
    if at['at'] then
      redis.call('HSET', key, 'st', 'running', 'w', worker, 'f', fence)
    else
      redis.call('HSET', key, 'st', 'running', 'w', worker, 'f', fence, 'at', now)
      all[#all + 1], all[#all + 2] = 'at', now
      if paused then all[#all + 1], all[#all + 2] = 'nw', '1' end
    end
    all[at['st']], all[at['f']] = 'running', fence
    local priority = all[at['p']]
    local list = queues[priority]
    if not list then
      list = {}
      queues[priority] = list
    end
    list[#list + 1], claimed[#claimed + 1] = id, id
    out[#out + 1] = { id, all }
  end
end
for priority, ids in pairs(queues) do redis.call('ZREM', prefix .. 'queued:' .. priority, unpack(ids)) end
if #claimed > 0 then redis.call('SADD', prefix .. 'running:' .. worker, unpack(claimed)) end
return out
