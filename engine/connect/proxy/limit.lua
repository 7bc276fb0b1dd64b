-- Takes permits for calls with one credential: a window that slides in parts.
--
-- KEYS[1]  hash: part of time -> permits taken in it
-- KEYS[2]  until when (ms) the far side wants no call
-- ARGV     calls in a window, length of a part (ms), parts of a window, permits
--          wanted
-- returns  permits given; for how many ms they count, or, when none is given,
--          after how many ms to ask again
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local most, length, parts, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local pause = tonumber(redis.call('GET', KEYS[2]) or '0')
if pause > now then return { 0, pause - now } end

-- Permits are those of the next part, count from now to its end, and are held
-- against a whole window after it: so no window of this length, wherever it
-- begins, sees more calls than it may.
local part = math.floor(now / length)
local taken, oldest, old = 0, part + 1, {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local at = tonumber(all[i])
  if at < part - parts then
    old[#old + 1] = all[i]
  else
    taken = taken + tonumber(all[i + 1])
    if at < oldest then oldest = at end
  end
end
if #old > 0 then redis.call('HDEL', KEYS[1], unpack(old)) end
local given = math.min(want, most - taken)
if given <= 0 then return { 0, (oldest + parts + 1) * length - now } end
redis.call('HINCRBY', KEYS[1], tostring(part + 1), given)
redis.call('PEXPIRE', KEYS[1], (parts + 3) * length)
return { given, (part + 2) * length - now }
