-- Counts an event in the tally of a prefix (with its colon): 'n' how often, 'a'
-- and 'z' when first and last (ms), '1' to '5' the first of them, each behind it
-- the group.
local function note(prefix, group, at, example)
  local tally = prefix .. 'notices'
  local n = redis.call('HINCRBY', tally, 'n' .. group, 1)
  if n == 1 then redis.call('HSET', tally, 'a' .. group, at) end
  if n <= 5 then redis.call('HSET', tally, n .. group, example) end
  redis.call('HSET', tally, 'z' .. group, at)
end
