-- Puts a signal (an event, a called run's end, a wish to cancel) into a run's
-- mailbox, and queues the run when it waits.
--
-- KEYS[1]  lane prefix
-- ARGV     now (ms), id, signal, what makes it the same as another or ''
-- returns  code and queue; code -1: no such run, 0: it has ended, 1: its
--          worker will see it, 2: the run was queued and needs a job
local prefix = KEYS[1] .. ':'
local now, id, signal, same = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local key = prefix .. 'run:' .. id
local have = redis.call('HMGET', key, 'st', 'p')
local state = have[1]
if not state then return { -1, '' } end
if state ~= 'queued' and state ~= 'running' and state ~= 'waiting' then return { 0, '' } end
if same ~= '' and redis.call('HSETNX', key, 'd:' .. same, 1) == 0 then return { 1, have[2] } end
local n = redis.call('HINCRBY', key, 'sg', 1)
redis.call('HSET', key, 'i:' .. n, signal)
if state == 'waiting' then
  redis.call('ZREM', prefix .. 'timers', id)
  redis.call('HSET', key, 'st', 'queued', 'qt', now)
  ready(prefix, have[2], { id })
  return { 2, have[2] }
end
if state == 'running' then redis.call('PUBLISH', prefix .. 'signal', id) end
return { 1, have[2] }
