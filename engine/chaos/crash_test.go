package chaos_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// resumeWithin is how soon a dead worker's runs go on.
const resumeWithin = 10 * time.Second

// everything is what a process does unless it is told otherwise.
const everything = "api,worker,scheduler,flusher"

func TestUndisturbedRunsDoEverythingOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front := c.start("front", "api,scheduler,flusher")
	c.start("worker", "worker")
	c.apply(front, yamlOf(c.far, chain, kept, rest, fan, caller, listener, speaker))
	l := c.load(6, 20*time.Millisecond, []*process{front}, chain, kept, rest, fan, caller, listener)
	l.await(t, 120, time.Minute)
	c.check(l.stop(), expectation{calm: true})
}

func TestKilledWorkersRunResumesWithoutRepeatingSteps(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front := c.start("front", "api,scheduler,flusher")
	first := c.start("first", "worker")
	c.apply(front, yamlOf(c.far, chain))
	c.far.treats(func(o observation) answer {
		return answer{hang: o.step() == "b" && o.n == 1}
	})
	const runs = 20
	client := c.client(front)
	acked := map[string]ack{}
	for i := range runs {
		key := fmt.Sprintf("run-%d", i)
		acked[key] = ack{id: c.trigger(client, chain.name, key).ID, shape: chain}
	}
	c.far.await(t, time.Minute, "every run is in the middle of b", func() bool { return c.far.count("b", 1) == runs })
	c.start("second", "worker")
	first.kill()
	killed := time.Now()
	c.far.await(t, time.Minute, "every run does b again", func() bool { return c.far.count("b", 2) == runs })
	if took := time.Since(killed); took > resumeWithin {
		t.Errorf("the runs went on %v after the kill; want %v at most", took, resumeWithin)
	} else {
		t.Logf("the runs went on %v after the kill", took)
	}
	c.check(acked, expectation{})
	for key, a := range acked {
		if got := c.far.steps(a.id); !slices.Equal(got, []string{"a", "b", "b", "c"}) {
			t.Errorf("%s: the far side saw %v; want a, b, b, c", key, got)
		}
	}
	for id, run := range c.past() {
		if run.recoveries != 1 {
			t.Errorf("run %s says it was taken over %d times; want 1", id, run.recoveries)
		}
	}
}

func TestEveryRoleIsKilledUnderLoad(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	doors := []*process{c.start("api-1", "api"), c.start("api-2", "api")}
	c.start("flusher", "flusher")
	c.start("scheduler-1", "scheduler")
	c.start("scheduler-2", "scheduler")
	c.start("worker-1", "worker")
	c.start("worker-2", "worker")
	c.apply(doors[0], yamlOf(c.far, chain, kept, rest, fan, caller, listener, speaker))
	l := c.load(6, 50*time.Millisecond, doors, chain, kept, rest, fan, caller, listener)
	for range 2 {
		for _, p := range c.processes {
			l.await(t, 15, time.Minute)
			p.kill()
			c.pass(200 * time.Millisecond)
			p.start()
		}
	}
	c.check(l.stop(), expectation{within: 2 * time.Minute})
}
