package chaos_test

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestTermDrainsAWorker ends a worker with SIGTERM while its runs are in the
// middle of a step.
func TestTermDrainsAWorker(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		drain time.Duration
		// after is how long the far side takes.
		after time.Duration
		want  []string
	}{
		{"attempts end within the limit", 20 * time.Second, 2 * time.Second, []string{"a", "b", "c"}},
		{"attempts are cut short", time.Second, 9 * time.Second, []string{"a", "b", "b", "c"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, options{})
			front := c.start("front", "api,scheduler,flusher")
			first := c.start("first", "worker", "--drain", test.drain.String())
			c.apply(front, yamlOf(c.far, chain))
			c.far.treats(func(o observation) answer {
				if o.step() == "b" && o.n == 1 {
					return answer{after: test.after}
				}
				return answer{}
			})
			const runs = 10
			client := c.client(front)
			acked := map[string]ack{}
			for i := range runs {
				key := fmt.Sprintf("run-%d", i)
				acked[key] = ack{id: c.trigger(client, chain.name, key).ID, shape: chain}
			}
			c.far.await(t, time.Minute, "every run is in the middle of b", func() bool { return c.far.count("b", 1) == runs })
			c.start("second", "worker")
			began := time.Now()
			if err := first.stop(test.drain + 15*time.Second); err != nil {
				t.Errorf("the worker did not drain: %v", err)
			}
			if took := time.Since(began); took > test.drain+5*time.Second {
				t.Errorf("the worker drained for %v; its limit is %v", took, test.drain)
			}
			// Given back, not taken over: the runs go on at once.
			c.far.await(t, 4*time.Second, "every run goes on", func() bool { return c.far.count("c", 1) == runs })
			c.ended(acked, time.Minute)
			c.atRest()
			past := c.past()
			for key, a := range acked {
				if got := c.far.steps(a.id); !slices.Equal(got, test.want) {
					t.Errorf("%s: the far side saw %v; want %v", key, got, test.want)
				}
				run := past[a.id]
				if run.recoveries != 0 {
					t.Errorf("%s: the run was taken over %d times; want it given back", key, run.recoveries)
				}
				for _, s := range run.steps {
					if s.attempt > 1 || len(s.attempts) > 1 {
						t.Errorf("%s: step %s burned an attempt: %d (%v)", key, s.path, s.attempt, s.attempts)
					}
				}
			}
		})
	}
}

// TestTermTakesReadinessFirst ends the process that answers while triggers
// come in: it says that it is not ready before it refuses any.
func TestTermTakesReadinessFirst(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front, _ := split(c, chain)
	other := c.start("other", "api")
	l := c.load(4, 20*time.Millisecond, []*process{other}, chain)
	l.await(t, 10, time.Minute)
	// Those who asked a moment ago send their triggers still.
	client := c.client(front)
	acked := map[string]ack{}
	c.must(front.ready())
	front.end(syscall.SIGTERM)
	ready := true
	for i := 0; ready; i++ {
		key := fmt.Sprintf("late-%d", i)
		ready = front.ready() == nil
		run, err := client.Trigger(t.Context(), chain.name, request(key, key), 0)
		if err != nil {
			t.Fatalf("a trigger was refused before (or when) readiness went: %v", err)
		}
		acked[key] = ack{id: run.ID, shape: chain}
	}
	<-front.exited
	if front.err != nil {
		t.Errorf("the process did not end well: %v", front.err)
	}
	front.start() // for the flusher and the scheduler
	c.check(merge(acked, l.stop()), expectation{calm: true})
}

// TestTermGivesBackWhatWasNotHeardOf ends a worker while replies of Redis are
// lost: it may have claimed runs that it does not know of.
func TestTermGivesBackWhatWasNotHeardOf(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front := c.start("front", "api,scheduler,flusher")
	first := c.start("first", "worker", "--drain", "3s")
	second := c.start("second", "worker", "--drain", "3s")
	c.apply(front, yamlOf(c.far, chain))
	l := c.load(4, 10*time.Millisecond, []*process{front}, chain)
	for range 3 {
		for _, p := range []*process{first, second} {
			p.redis.loseReplies(0.6)
			l.await(t, 40, time.Minute)
			if err := p.stop(time.Minute); errors.Is(err, errStuck) {
				t.Fatal(err)
			}
			p.redis.heal()
			p.start()
		}
	}
	c.check(l.stop(), expectation{})
}
