-- Removes what the store has now: the log up to a position, and the runs that
-- ended in it. Whoever else removes the same, or does so again after a lost
-- reply, changes nothing.
--
-- KEYS[1]  lane prefix
-- ARGV     position before and after the rows, bytes of the log values between
--          them, ids of ended runs
local prefix = KEYS[1] .. ':'
local from, to, bytes = ARGV[1], ARGV[2], tonumber(ARGV[3])
local log, mark = prefix .. 'log', prefix .. 'logmark'

-- later compares two positions; '' is before all.
local function later(a, b)
  local am, as = string.match(a, '^(%d+)-(%d+)$')
  local bm, bs = string.match(b, '^(%d+)-(%d+)$')
  if not am or not bm then return am ~= nil and bm == nil end
  am, bm = tonumber(am), tonumber(bm)
  return am > bm or am == bm and tonumber(as) > tonumber(bs)
end

-- The mark is where the count of waiting bytes was last taken down to.
local done = redis.call('GET', mark) or ''
if later(to, done) then
  if done ~= from then
    bytes = 0
    local first = done == '' and '-' or '(' .. done
    repeat
      local entries = redis.call('XRANGE', log, first, to, 'COUNT', 100)
      for _, entry in ipairs(entries) do
        for i = 2, #entry[2], 2 do bytes = bytes + #entry[2][i] end
        first = '(' .. entry[1]
      end
    until #entries < 100
  end
  if bytes > 0 then redis.call('DECRBY', prefix .. 'logbytes', bytes) end
  redis.call('SET', mark, to)
end
redis.call('XTRIM', log, 'MINID', to)
redis.call('XDEL', log, to)
for first = 4, #ARGV, 500 do
  local last = math.min(first + 499, #ARGV)
  local keys = {}
  for i = first, last do keys[#keys + 1] = prefix .. 'run:' .. ARGV[i] end
  redis.call('UNLINK', unpack(keys))
  redis.call('ZREM', prefix .. 'live', unpack(ARGV, first, last))
end
return 1
