-- Takes runs from a worker that is gone. One that was there only to hear that its
-- trial has not begun ('aw') did not kill it; should it be there again when the
-- next one goes, without having been parked, it may have.
--
-- KEYS[1]  lane prefix
-- ARGV     now (ms), worker, '1' when the runs may have killed the worker, how
--          many at most, and optionally ids: then only those
-- returns  id and queue of each run that needs a job
local prefix = KEYS[1] .. ':'
local now, worker, blame, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local claims = prefix .. 'claims:' .. worker
local ids = {}
if #ARGV > 4 then
  for i = 5, #ARGV do ids[#ids + 1] = ARGV[i] end
else
  ids = redis.call('HRANDFIELD', claims, most)
end
local out = {}
for _, id in ipairs(ids) do
  redis.call('HDEL', claims, id)
  local key = prefix .. 'run:' .. id
  local have = redis.call('HMGET', key, 'st', 'w', 'p')
  if have[1] == 'running' and have[2] == worker then
    if blame == '1' then
      if redis.call('HDEL', key, 'aw') == 0 then redis.call('HINCRBY', key, 'rc', 1) end
      redis.call('HINCRBY', key, 'rt', 1)
    end
    redis.call('HINCRBY', key, 'f', 1)
    redis.call('HSET', key, 'st', 'queued', 'w', '', 'qt', now)
    ready(prefix, have[3], { id }, 'LPUSH')
    out[#out + 1], out[#out + 2] = id, have[3]
  end
end
return out
