package chaos_test

import (
	"slices"
	"time"
)

// loss is a time at which Redis lost its memory.
type loss struct {
	at time.Time // Redis was back, and empty
	// settled are the runs that were history by then.
	settled map[string]bool
}

// empty has Redis lose its memory, and notes what no loss can touch any more.
func (c *cluster) empty() {
	c.t.Helper()
	rows, err := c.pool.Query(c.t.Context(), `SELECT id FROM runs`)
	c.must(err)
	settled := map[string]bool{}
	for rows.Next() {
		var id string
		c.must(rows.Scan(&id))
		settled[id] = true
	}
	c.must(rows.Err())
	c.redis.Wipe()
	c.emptied = append(c.emptied, loss{at: time.Now(), settled: settled})
}

// exposed tells whether a run was in Redis alone, or partly, when Redis lost
// its memory: it is executed again from what the store has of it, or, without
// durability store, is gone.
func (c *cluster) exposed(a ack) bool { return len(c.losses(a)) > 0 }

// losses are the times at which Redis lost its memory of a run.
func (c *cluster) losses(a ack) (at []time.Time) {
	for _, l := range c.emptied {
		if a.began.Before(l.at) && !l.settled[a.id] {
			at = append(at, l.at)
		}
	}
	return at
}

// surviving drops the runs that may be gone: those that were exposed and not
// durable. It returns the rest and the keys of those dropped.
func (c *cluster) surviving(acked map[string]ack) (rest map[string]ack, gone map[string]bool) {
	rest, gone = map[string]ack{}, map[string]bool{}
	for key, a := range acked {
		if c.exposed(a) && !a.shape.durable {
			gone[key] = true
		} else {
			rest[key] = a
		}
	}
	return rest, gone
}

// forgot tells whether Redis may have forgotten a call of a run: it was made
// before Redis lost its memory, or by a worker that had not noticed yet.
func (c *cluster) forgot(a ack, o observation) bool {
	return slices.ContainsFunc(c.losses(a), func(at time.Time) bool { return o.at.Before(at.Add(writtenWithin)) })
}

// startsOver tells whether Redis lost its memory of a run between two of its
// calls, or so shortly before the second that who made it may not have noticed.
func (c *cluster) startsOver(a ack, before, then time.Time) bool {
	return slices.ContainsFunc(c.losses(a), func(at time.Time) bool {
		return then.After(at) && before.Before(at.Add(writtenWithin))
	})
}
