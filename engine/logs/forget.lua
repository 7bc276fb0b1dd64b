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

-- The mark is up to where this was done last. Where it is not where these rows
-- begin, somebody did not get to remove what he had written: that is read here.
local done = redis.call('GET', mark) or ''
if not later(to, done) then return 0 end
local ids, begin = ARGV, 4
if done ~= from then
  bytes, ids, begin = 0, {}, 1
  local first = done == '' and '-' or '(' .. done
  repeat
    local entries = redis.call('XRANGE', log, first, to, 'COUNT', 100)
    for _, entry in ipairs(entries) do
      local row = entry[2]
      for i = 1, #row, 2 do
        bytes = bytes + #row[i + 1]
        if string.sub(row[i], 1, 2) == 'r ' then ids[#ids + 1] = string.sub(row[i], 3) end
      end
      first = '(' .. entry[1]
    end
  until #entries < 100
end
if bytes > 0 then redis.call('DECRBY', prefix .. 'logbytes', bytes) end
redis.call('SET', mark, to)
redis.call('XTRIM', log, 'MINID', to)
redis.call('XDEL', log, to)
for first = begin, #ids, 500 do
  local last = math.min(first + 499, #ids)
  local keys = {}
  for i = first, last do keys[#keys + 1] = prefix .. 'run:' .. ids[i] end
  redis.call('UNLINK', unpack(keys))
  redis.call('ZREM', prefix .. 'live', unpack(ids, first, last))
end
return 1
