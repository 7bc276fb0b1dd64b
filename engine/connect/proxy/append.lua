-- Appends rows of calls to the log of a lane, to its stream for those.
--
-- KEYS[1]  lane prefix
-- ARGV     rows: key and value in turn
-- returns  how many bytes of log wait in the lane now
local prefix = KEYS[1] .. ':'
local bytes = 0
for i = 2, #ARGV, 2 do bytes = bytes + #ARGV[i] end
redis.call('XADD', prefix .. 'log', '*', unpack(ARGV))
return redis.call('INCRBY', prefix .. 'logbytes', bytes)
