package chaos_test

import (
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"paragon/engine/servicetest"
)

const (
	// writtenWithin is how long the result of a call may take until it is
	// written down while nothing delays that: a busy machine's time.
	writtenWithin = time.Second
	// thawWithin is how long after its SIGCONT a process may do what it was about
	// to do before.
	thawWithin = 5 * time.Second
)

// strike is a time during which a process that executes runs was broken, or
// Redis did not answer one.
type strike struct {
	from, until time.Time // until is zero while it lasts
	// loses says that what the process did may not be known to anybody; else it
	// is written down later.
	loses bool
	// froze says that the process went on where it was, long after it had
	// decided to.
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

// lost tells by which strikes the outcome of a call may have got lost: those
// that came between its arrival and when its result was written down.
func lost(o observation, all []strike) (by []strike) {
	written := o.done
	if written.IsZero() {
		written = time.Now()
	}
	written = written.Add(writtenWithin)
	for _, k := range all { // in order, so that one delay leads to the next
		late := k.until
		if k.froze {
			late = late.Add(thawWithin)
		}
		switch {
		case k.from.After(written) || late.Before(o.at):
		case k.loses:
			by = append(by, k)
		default:
			written = later(written, late.Add(recoverWithin))
		}
	}
	return by
}

// thawed tells whether a process came out of a freeze just before a call.
func thawed(o observation, all []strike) bool {
	return slices.ContainsFunc(all, func(k strike) bool {
		return k.froze && o.at.After(k.from) && o.at.Before(k.until.Add(thawWithin))
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
