-- Accepts runs of one lane: after it a run exists, is queued, and is found by
-- the reaper should its job never reach the queue.
--
-- KEYS[1]  lane prefix
-- ARGV     now (ms), limit of the unwritten log (bytes, 0: none), then for each
--          run: id, priority, idempotency key or '', seconds that the key is
--          kept, number of fields, and that many pairs of field and value
-- returns  for each run its code and id: 1 accepted, 2 the idempotency key has
--          this run already, 0 refused since the log has reached its limit
local prefix = KEYS[1] .. ':'
local now, limit = ARGV[1], tonumber(ARGV[2])
local full = limit > 0 and tonumber(redis.call('GET', prefix .. 'logbytes') or '0') >= limit
local out, i = {}, 3
while i <= #ARGV do
  local id, priority, idem, ttl, fields = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4])
  local first = i + 5
  i = first + 2 * fields
  local key = prefix .. 'run:' .. id
  local taken = idem ~= '' and redis.call('GET', prefix .. 'idem:' .. idem)
  if taken and taken ~= id then
    out[#out + 1], out[#out + 2] = 2, taken
  elseif redis.call('EXISTS', key) == 1 then
    -- The same call again, after a lost reply.
    out[#out + 1], out[#out + 2] = 1, id
  elseif full then
    out[#out + 1], out[#out + 2] = 0, id
  else
    redis.call('HSET', key, 'st', 'queued', 'f', 0, 'p', priority, unpack(ARGV, first, i - 1))
    redis.call('ZADD', prefix .. 'live', 0, id)
    redis.call('ZADD', prefix .. 'queued:' .. priority, now, id)
    if idem ~= '' then
      redis.call('SET', prefix .. 'idem:' .. idem, id, 'EX', ttl)
    end
    out[#out + 1], out[#out + 2] = 1, id
  end
end
return out
