-- Lets held runs of a workflow go on, unless it is paused.
--
-- KEYS[1]  lane prefix
-- ARGV     now (ms), workflow ("project/name"), how many at most, '1' to end
--          the pause first
-- returns  id and queue of each run that needs a job
local prefix = KEYS[1] .. ':'
local now, workflow, most, resume = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
if resume == '1' then redis.call('SREM', prefix .. 'paused', workflow) end
local held = prefix .. 'held:' .. workflow
if redis.call('SISMEMBER', prefix .. 'paused', workflow) == 1 then return {} end
local out = {}
local ids = redis.call('ZRANGE', held, 0, most - 1)
for _, id in ipairs(ids) do
  redis.call('ZREM', held, id)
  local key = prefix .. 'run:' .. id
  local have = redis.call('HMGET', key, 'st', 'p', 'at')
  -- One that was canceled meanwhile has gone on by itself.
  if have[1] == 'waiting' and not have[3] then
    redis.call('HSET', key, 'st', 'queued', 'qt', now)
    ready(prefix, have[2], { id })
    out[#out + 1], out[#out + 2] = id, have[2]
  end
end
if #ids < most then redis.call('SREM', prefix .. 'holding', workflow) end
return out
