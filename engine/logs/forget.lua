-- Removes what the store has now: the log up to a position, and the runs that
-- ended in it.
--
-- KEYS[1]  lane prefix
-- ARGV     position, bytes of the log values up to it, ids of ended runs
local prefix = KEYS[1] .. ':'
redis.call('XTRIM', prefix .. 'log', 'MINID', ARGV[1])
redis.call('XDEL', prefix .. 'log', ARGV[1])
if tonumber(ARGV[2]) > 0 then redis.call('DECRBY', prefix .. 'logbytes', ARGV[2]) end
for first = 3, #ARGV, 500 do
  local last = math.min(first + 499, #ARGV)
  local keys = {}
  for i = first, last do keys[#keys + 1] = prefix .. 'run:' .. ARGV[i] end
  redis.call('UNLINK', unpack(keys))
  redis.call('ZREM', prefix .. 'live', unpack(ARGV, first, last))
end
return 1
