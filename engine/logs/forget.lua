-- Removes what the store has now: a stream of the log up to a position, and the
-- runs that ended in it. Whoever else removes the same, or does so again after a
-- lost reply, changes nothing.
--
-- KEYS[1]  lane prefix
-- ARGV     stream, position before and after the rows, bytes of the values
--          between them, ids of ended runs
-- returns  nothing, or, where it has done nothing because the stream is removed
--          up to an earlier position only: that position
local prefix = KEYS[1] .. ':'
local stream, from, to, bytes = prefix .. ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local mark = stream .. 'mark'

-- later compares two positions; '' is before all.
local function later(a, b)
  local am, as = string.match(a, '^(%d+)-(%d+)$')
  local bm, bs = string.match(b, '^(%d+)-(%d+)$')
  if not am or not bm then return am ~= nil and bm == nil end
  am, bm = tonumber(am), tonumber(bm)
  return am > bm or am == bm and tonumber(as) > tonumber(bs)
end

-- The mark is up to where this was done last. Where it is not where these rows
-- begin, somebody did not get to remove what he had written: that comes first.
local done = redis.call('GET', mark) or ''
if not later(to, done) then return false end
if done ~= from then return done end
-- What was counted before Redis lost its memory may be taken off only now, and
-- is not there any more.
if bytes > 0 and redis.call('DECRBY', prefix .. 'logbytes', bytes) < 0 then
  redis.call('SET', prefix .. 'logbytes', 0)
end
redis.call('SET', mark, to)
redis.call('XTRIM', stream, 'MINID', to)
redis.call('XDEL', stream, to)
for first = 5, #ARGV, 500 do
  local last = math.min(first + 499, #ARGV)
  local keys = {}
  for i = first, last do keys[#keys + 1] = prefix .. 'run:' .. ARGV[i] end
  redis.call('UNLINK', unpack(keys))
  redis.call('ZREM', prefix .. 'live', unpack(ARGV, first, last))
end
return false
