-- Looks at what the keeper and an operator must know of a lane.
--
-- KEYS[1]  lane prefix
-- ARGV     priorities
-- returns  how many callers are still to be told, then for each priority how
--          many runs are queued, since when the oldest is (ms) and which is the
--          next, '' for none; then the workflows that are not paused and have
--          runs that are held
local prefix = KEYS[1] .. ':'
local out = { tostring(redis.call('HLEN', prefix .. 'untold')) }
local sets = { prefix .. 'holding' }
for _, priority in ipairs(ARGV) do sets[#sets + 1] = prefix .. 'turns:' .. priority end
-- In an idle lane there is none of them, and nothing more to ask.
local some = redis.call('EXISTS', unpack(sets)) > 0
for _, priority in ipairs(ARGV) do
  local runs, oldest, first = 0, nil, ''
  for _, project in ipairs(some and redis.call('ZRANGE', prefix .. 'turns:' .. priority, 0, -1) or {}) do
    local list = prefix .. 'ready:' .. priority .. '/' .. project
    local id = redis.call('LINDEX', list, 0)
    if id then
      runs = runs + redis.call('LLEN', list)
      if first == '' then first = id end
      -- One that was never claimed has the time of its acceptance as fence.
      local have = redis.call('HMGET', prefix .. 'run:' .. id, 'qt', 'f')
      local since = tonumber(have[1] or have[2] or '')
      if since and (not oldest or since < oldest) then oldest = since end
    end
  end
  out[#out + 1] = string.format('%.0f', runs)
  out[#out + 1] = oldest and string.format('%.0f', oldest) or ''
  out[#out + 1] = first
end
if some and redis.call('EXISTS', prefix .. 'holding') == 1 then
  for _, workflow in ipairs(redis.call('SDIFF', prefix .. 'holding', prefix .. 'paused')) do out[#out + 1] = workflow end
end
return out
