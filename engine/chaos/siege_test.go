package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"paragon/engine/execution"
	"paragon/engine/queue"
)

// siege is an installation under load on which a schedule of faults is played.
type siege struct {
	*cluster
	// doors are where triggers go.
	doors []*process
	load  *load
	// starting are the processes that come up again.
	starting sync.WaitGroup
	// played are the kinds of fault that were.
	played map[string]int

	// flood fills the log, and flooded is what was acknowledged to it before.
	flood   *load
	flooded map[string]ack
	// released is closed when the far side does not hang any more.
	released chan struct{}
	// deliverOnce calls again off, and waits until it has ended.
	calledOff context.CancelFunc
	again     sync.WaitGroup
}

// play plays a schedule to its end, or until something fails; whatever broke is
// mended.
func (c *siege) play(faults []fault) {
	c.t.Helper()
	defer c.starting.Wait()
	c.played = map[string]int{}
	broken := map[fault]bool{}
	began := time.Now()
	now := time.Duration(0)
	for _, m := range moments(faults) {
		if !c.t.Failed() {
			c.pass(m.at - now)
		}
		now = m.at
		p := c.processes[m.process]
		switch {
		case broken[m.fault]:
			m.kind.mend(c, p)
			delete(broken, m.fault)
		case !m.over && !c.t.Failed():
			beside := ""
			if m.beside {
				beside = "meanwhile "
				c.played["one beside another"]++
			} else {
				c.starting.Wait()
			}
			c.t.Logf("%v: %s%v", time.Since(began).Round(time.Millisecond), beside, m.fault)
			broken[m.fault] = true
			c.played[m.kind.name]++
			m.kind.begin(c, p)
		}
	}
}

// summary says which kinds of fault were played how often.
func (c *siege) summary() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c.played)) {
		fmt.Fprintf(&b, ", %s: %d", name, c.played[name])
	}
	return strings.TrimPrefix(b.String(), ", ")
}

// comeBackWithin bounds how long a process may take: longer than any fault that
// keeps it from coming up.
const comeBackWithin = startWithin + 4*time.Minute

// starts starts a process that has ended, as a service manager does: what it
// needs may still be away. The next fault that comes alone waits for it.
func (c *siege) starts(p *process) {
	c.starting.Go(func() { c.startsNow(p) })
}

func (c *siege) startsNow(p *process) {
	if err := p.startIn(comeBackWithin); err != nil {
		c.t.Errorf("start %s: %v", p.name, err)
	}
}

// startsOnceEnded starts a process that was told to end.
func (c *siege) startsOnceEnded(p *process) {
	c.starting.Go(func() {
		// With Redis just back it may fail to say goodbye, and exits with that.
		if err := p.ended(time.Minute); errors.Is(err, errStuck) {
			c.t.Errorf("%s got SIGTERM: %v", p.name, err)
		}
		c.startsNow(p)
	})
}

func (c *siege) mendLinks(*process) {
	for _, p := range c.processes {
		p.redis.mend()
		p.redis.heal()
	}
}

// fillTheLog has Postgres away until triggers are refused for that.
func (c *siege) fillTheLog(*process) {
	c.server.Kill()
	c.flood = c.cluster.load(8, time.Millisecond, c.doors, chain)
	c.flood.awaitFull(c.t, time.Minute)
}

func (c *siege) drainTheLog(*process) {
	c.server.Restart()
	c.flooded = merge(c.flooded, c.flood.stop())
}

// hangFarSide leaves half of the calls without an answer.
func (c *siege) hangFarSide(*process) {
	released := make(chan struct{})
	c.released = released
	c.far.treats(func(o observation) answer {
		if (len(o.key)+int(o.key[10])+o.n)%2 == 0 {
			return answer{until: released}
		}
		return answer{}
	})
}

func (c *siege) releaseFarSide(*process) {
	c.far.treats(nil)
	close(c.released)
}

// deliverAgain puts the latest runs into the queue again and again, whatever
// they do.
func (c *siege) deliverAgain(*process) {
	ctx, cancel := context.WithCancel(c.t.Context())
	c.calledOff = cancel
	c.again.Go(func() {
		q := queue.NewClient(c.rdb, queue.ClientOptions{})
		defer q.Stop(context.WithoutCancel(ctx))
		for ; ctx.Err() == nil; wait(ctx, 100*time.Millisecond) {
			for _, id := range c.load.since(time.Now().Add(-2 * time.Second)) {
				lane, ok := execution.LaneOfRun(id)
				if !ok {
					c.t.Errorf("%q is no run's id", id)
				}
				if err := q.Enqueue(ctx, queue.Target{Lane: lane}, id); err != nil && ctx.Err() == nil {
					c.t.Errorf("deliver run %s again: %v", id, err)
				}
			}
		}
	})
}

func (c *siege) deliverOnce(*process) {
	c.calledOff()
	c.again.Wait()
}
