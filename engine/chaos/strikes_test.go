package chaos_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/execution"
	"paragon/engine/servicetest"
)

const (
	// writtenWithin is how long the result of a call may take until it is
	// written down while nothing delays that: a busy machine's time.
	writtenWithin = time.Second
	// backWithin is how long after a strike a process may still count as dead, or
	// do what it was about to do before.
	backWithin = 5 * time.Second
	// silentFor is the silence after which others may take a worker's runs, less
	// what a look once in a while misses.
	silentFor = 4 * time.Second
)

// strike is a time during which a process that executes runs was broken, or
// Redis did not answer one.
type strike struct {
	from, until time.Time // until is zero while it lasts
	// loses says that what the process did may not be known to anybody; else it
	// is written down later.
	loses bool
	// froze says that the process stood still, and went on where it was.
	froze bool
	// signal is what the process got, if it got one.
	signal syscall.Signal
}

// strikes is the record of what was broken when: what a call is repeated for.
// One that is nil records nothing.
type strikes struct {
	mu  sync.Mutex
	all []*strike
}

// begin notes a strike that lasts until it ends.
func (s *strikes) begin(k strike) *strike {
	if s == nil {
		return nil
	}
	k.from = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, &k)
	return &k
}

// end ends a strike that lasts; nil and one that is over are left alone.
func (s *strikes) end(k *strike) {
	if s == nil || k == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.until.IsZero() {
		k.until = time.Now()
	}
}

// forget says that a strike broke nothing.
func (s *strikes) forget(k *strike) {
	if s == nil || k == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = slices.DeleteFunc(s.all, func(other *strike) bool { return other == k })
}

// list is what was recorded, by when it began.
func (s *strikes) list() []strike {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]strike, len(s.all))
	for i, k := range s.all {
		out[i] = *k
		if k.until.IsZero() {
			out[i].until = time.Now()
		}
	}
	slices.SortStableFunc(out, func(a, b strike) int { return a.from.Compare(b.from) })
	return out
}

// felt is until when a strike may show: a process that goes on may not have
// shown anybody yet that it lives, or have done what it had decided before.
func (k strike) felt() time.Time {
	if !k.loses {
		return k.until.Add(recoverWithin)
	}
	if k.ends() {
		return k.until
	}
	return k.until.Add(backWithin)
}

// ends tells whether the strike ended its process.
func (k strike) ends() bool { return k.signal != 0 && k.signal != syscall.SIGSTOP }

// lost tells by which strikes the outcome of a call may have got lost: those
// that came between its arrival and when its result was written down.
func lost(o observation, all []strike) (by []strike) {
	written := o.done
	if written.IsZero() {
		written = time.Now()
	}
	written = written.Add(writtenWithin)
	for _, k := range all { // in order, so that one delay leads to the next
		switch {
		case k.from.After(written) || k.felt().Before(o.at):
		case k.loses:
			by = append(by, k)
		default:
			written = later(written, k.felt())
		}
	}
	return by
}

// thawed tells whether a process stood still at a call, or had just before.
func thawed(o observation, all []strike) bool {
	return slices.ContainsFunc(all, func(k strike) bool {
		return k.froze && o.at.After(k.from) && o.at.Before(k.felt())
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// executes tells whether roles ("api,worker") are those of a process that
// executes runs.
func executes(roles string) bool { return slices.Contains(strings.Split(roles, ","), "worker") }

// listen records the workers that were silent for so long that others took their
// runs, and came back: whatever kept them silent, a machine that is too busy,
// too. It listens until ctx is done.
func (s *strikes) listen(ctx context.Context, rdb redis.UniversalClient, silent func(worker string, d time.Duration)) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	heard := map[string]time.Time{}
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		once, cancel := context.WithTimeout(ctx, 2*time.Second)
		workers, err := execution.Workers(once, rdb)
		cancel()
		if err != nil {
			continue
		}
		for _, w := range workers {
			before, known := heard[w.ID]
			heard[w.ID] = w.LastSeen
			if d := w.LastSeen.Sub(before); known && d >= silentFor {
				silent(w.ID, d)
				s.mu.Lock()
				s.all = append(s.all, &strike{from: before, until: w.LastSeen, loses: true, froze: true})
				s.mu.Unlock()
			}
		}
	}
}

// redisServer is a Redis whose outages are recorded.
type redisServer struct {
	*servicetest.RedisServer
	struck *strikes
	away   *strike
}

func (r *redisServer) goesAway() {
	r.struck.end(r.away)
	r.away = r.struck.begin(strike{})
}

func (r *redisServer) isBack() { r.struck.end(r.away) }

func (r *redisServer) Pause()   { r.goesAway(); r.RedisServer.Pause() }
func (r *redisServer) Resume()  { r.RedisServer.Resume(); r.isBack() }
func (r *redisServer) Kill()    { r.goesAway(); r.RedisServer.Kill() }
func (r *redisServer) Restart() { r.goesAway(); r.RedisServer.Restart(); r.isBack() }
func (r *redisServer) Wipe()    { r.goesAway(); r.RedisServer.Wipe(); r.isBack() }
