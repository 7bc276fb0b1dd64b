-- Looks at what the keeper must know of a lane.
--
-- KEYS[1]  lane prefix
-- ARGV     priorities
-- returns  how many callers are still to be told, then for each priority when
--          its oldest queued run was queued (ms), '' for none; then the
--          workflows that are not paused and have runs that are held
local prefix = KEYS[1] .. ':'
local out = { tostring(redis.call('HLEN', prefix .. 'untold')) }
for _, priority in ipairs(ARGV) do
  out[#out + 1] = redis.call('ZRANGE', prefix .. 'queued:' .. priority, 0, 0, 'WITHSCORES')[2] or ''
end
if redis.call('EXISTS', prefix .. 'holding') == 1 then
  for _, workflow in ipairs(redis.call('SDIFF', prefix .. 'holding', prefix .. 'paused')) do out[#out + 1] = workflow end
end
return out
