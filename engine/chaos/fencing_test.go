package chaos_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"paragon/engine/execution"
	"paragon/engine/queue"
)

// TestFrozenWorkerIsFenced lets two workers have one run: the first stands
// still until its run was taken over, then goes on where it was.
func TestFrozenWorkerIsFenced(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front := c.start("front", "api,scheduler,flusher")
	first := c.start("first", "worker")
	c.apply(front, yamlOf(c.far, chain))
	thawed := make(chan struct{})
	defer close(thawed)
	c.far.treats(func(o observation) answer {
		if o.step() == "b" && o.n == 1 {
			return answer{until: thawed}
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
	first.pause()
	c.far.await(t, time.Minute, "every run does c on the second worker", func() bool { return c.far.count("c", 1) == runs })
	// Now the first hears the answer that it waited for.
	thawed <- struct{}{}
	for range runs - 1 {
		thawed <- struct{}{}
	}
	first.resume()
	c.check(acked, expectation{})
	// It works again, and what it had is not done again.
	for i := range runs {
		key := fmt.Sprintf("later-%d", i)
		acked[key] = ack{id: c.trigger(client, chain.name, key).ID, shape: chain}
	}
	c.far.await(t, time.Minute, "later runs are in the middle of b", func() bool { return c.far.count("b", 1) == 2*runs })
	for range runs {
		thawed <- struct{}{}
	}
	c.check(acked, expectation{})
	for key, a := range acked {
		want := []string{"a", "b", "c"}
		if key[0] == 'r' {
			want = []string{"a", "b", "b", "c"}
		}
		if got := c.far.steps(a.id); !slices.Equal(got, want) {
			t.Errorf("%s: the far side saw %v; want %v", key, got, want)
		}
	}
}

// TestJobsAreDeliveredTwice puts every run into the queue again and again,
// whatever it does.
func TestJobsAreDeliveredTwice(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front, _ := split(c, chain, rest, fan)
	c.start("second", "worker")
	c.far.treats(func(observation) answer { return answer{after: 20 * time.Millisecond} })
	q := queue.NewClient(c.rdb, queue.ClientOptions{})
	defer q.Stop(t.Context())
	acked := map[string]ack{}
	again := func() {
		for _, a := range acked {
			lane, ok := execution.LaneOfRun(a.id)
			if !ok {
				t.Fatalf("%q is no run's id", a.id)
			}
			c.must(q.Enqueue(t.Context(), queue.Target{Lane: lane}, a.id))
		}
	}
	client := c.client(front)
	for i := range 30 {
		s := []shape{chain, rest, fan}[i%3]
		key := fmt.Sprintf("run-%d", i)
		acked[key] = ack{id: c.trigger(client, s.name, key).ID, shape: s}
		if i%5 == 4 {
			again()
		}
	}
	again()
	c.ended(acked, time.Minute)
	again()
	c.check(acked, expectation{calm: true})
}
