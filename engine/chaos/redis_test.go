package chaos_test

import (
	"context"
	"maps"
	"testing"
	"time"
)

// recoverWithin is how soon new work is done once Redis answers again.
const recoverWithin = 5 * time.Second

// recovers triggers a run through a process whose server is back, and checks
// how soon it does something outside.
func (c *cluster) recovers(door *process, s shape, within time.Duration) map[string]ack {
	c.t.Helper()
	back := time.Now()
	l := c.load(1, time.Hour, []*process{door}, s)
	l.await(c.t, 1, time.Minute)
	acked := l.stop()
	for _, a := range acked {
		c.far.await(c.t, time.Minute, "a run that was triggered after the fault does its first step", func() bool {
			return len(c.far.of(a.id+"/a")) > 0
		})
	}
	if took := time.Since(back); took > within {
		c.t.Errorf("a run was accepted and begun %v after the fault was over; want %v at most", took, within)
	} else {
		c.t.Logf("a run was accepted and begun %v after the fault was over", took)
	}
	return acked
}

// split starts the processes of most tests: one that answers, one that works.
func split(c *cluster, shapes ...shape) (front, worker *process) {
	front = c.start("front", "api,scheduler,flusher")
	worker = c.start("worker", "worker")
	c.apply(front, yamlOf(c.far, shapes...))
	return front, worker
}

func merge(all ...map[string]ack) map[string]ack {
	out := map[string]ack{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}

func TestRedisRestarts(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front, _ := split(c, chain, rest, fan)
	l := c.load(4, 30*time.Millisecond, []*process{front}, chain, rest, fan)
	var probes []map[string]ack
	for round := range 2 {
		l.await(t, 30, time.Minute)
		if round == 0 {
			_ = c.rdb.Shutdown(t.Context()).Err() // the connection breaks: that is its answer
		}
		c.redis.Kill()
		c.pass(time.Second)
		c.redis.Restart()
		probes = append(probes, c.recovers(front, chain, recoverWithin))
	}
	l.await(t, 30, time.Minute)
	c.check(merge(append(probes, l.stop())...), expectation{once: true})
}

func TestRedisStandsStill(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front, _ := split(c, chain, rest, fan)
	l := c.load(4, 30*time.Millisecond, []*process{front}, chain, rest, fan)
	l.await(t, 40, time.Minute)
	c.redis.Pause()
	c.pass(30 * time.Second)
	c.redis.Resume()
	probes := c.recovers(front, chain, recoverWithin)
	l.await(t, 40, time.Minute)
	c.check(merge(probes, l.stop()), expectation{once: true})
}

func TestConnectionsToRedisAreCut(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front, worker := split(c, chain, rest, fan)
	other := c.start("other", "worker")
	l := c.load(4, 30*time.Millisecond, []*process{front}, chain, rest, fan)
	l.await(t, 30, time.Minute)
	for range 3 { // a blink
		for _, p := range c.processes {
			p.redis.cut()
			p.redis.mend()
		}
		l.await(t, 10, time.Minute)
	}
	for _, p := range c.processes { // all for a while
		p.redis.cut()
	}
	c.pass(3 * time.Second)
	for _, p := range c.processes {
		p.redis.mend()
	}
	probes := c.recovers(front, chain, recoverWithin)
	// One worker for so long that it counts as dead.
	worker.redis.cut()
	c.pass(9 * time.Second)
	worker.redis.mend()
	other.redis.cut()
	c.pass(time.Second)
	other.redis.mend()
	l.await(t, 30, time.Minute)
	c.check(merge(probes, l.stop()), expectation{})
}

func TestRepliesOfRedisAreLost(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front, _ := split(c, chain, rest, fan, caller, listener, speaker)
	l := c.load(4, 30*time.Millisecond, []*process{front}, chain, rest, fan, caller, listener)
	l.await(t, 30, time.Minute)
	for _, p := range c.processes {
		p.redis.loseReplies(0.3)
	}
	l.await(t, 60, time.Minute)
	for _, p := range c.processes {
		p.redis.heal()
	}
	l.await(t, 20, time.Minute)
	c.check(l.stop(), expectation{once: true})
}

func TestRedisComesBackEmpty(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{volatile: true})
	front, _ := split(c, kept, keptCaller, chain)
	// Some runs are in the middle of a step when everything is lost.
	c.far.treats(func(o observation) answer {
		if o.step() == "b" {
			return answer{after: 1500 * time.Millisecond}
		}
		return answer{}
	})
	l := c.load(4, 30*time.Millisecond, []*process{front}, kept, keptCaller)
	var probes []map[string]ack
	for range 2 {
		l.await(t, 40, time.Minute)
		// Of some, the log is in the store already.
		c.eventually(time.Minute, "finished steps of unfinished runs are in the store", func(ctx context.Context) (bool, error) {
			var n int
			err := c.pool.QueryRow(ctx, `SELECT count(DISTINCT run) FROM steps WHERE run NOT IN (SELECT id FROM runs)`).Scan(&n)
			return n >= 20, err
		})
		c.empty()
		// The rebuild looks once a second; the rest is as after a restart.
		probes = append(probes, c.recovers(front, kept, recoverWithin+2*time.Second))
		c.ended(probes[len(probes)-1], time.Minute)
	}
	l.await(t, 20, time.Minute)
	c.check(merge(append(probes, l.stop())...), expectation{within: 2 * time.Minute})
}
