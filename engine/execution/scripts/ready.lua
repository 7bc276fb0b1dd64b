-- The queued runs of a lane; a part of the scripts below that need it.
--
-- A run's hash has in 'p' the queue that it queues in, "priority/project". The
-- queued runs are in the lists ready:<queue>, in order. turns:<priority> has
-- the projects that have queued runs of a priority, scored by what they have
-- had so far, in runs divided by the project's weight: the lowest is the next.

-- ready adds queued runs at the tail of their queue or, when a worker gives
-- them back, at its head. A project that comes to have queued runs begins level
-- with the one whose turn it is: what it left unused before does not count.
local function ready(prefix, queue, ids, push)
  local list = prefix .. 'ready:' .. queue
  if redis.call(push or 'RPUSH', list, unpack(ids)) == #ids then
    local priority, project = string.match(queue, '^(%a+)/(.*)$')
    local turns = prefix .. 'turns:' .. priority
    local next = redis.call('ZRANGE', turns, 0, 0, 'WITHSCORES')
    redis.call('ZADD', turns, 'NX', next[2] or 0, project)
  end
end
