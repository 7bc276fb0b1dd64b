package chaos_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"paragon/schema"
)

// TestFailingFarSideIsAskedAsOftenAsTheLogSays makes steps that run at the same
// time fail and succeed in turns: no timer of one may disturb another.
func TestFailingFarSideIsAskedAsOftenAsTheLogSays(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front, _ := split(c, chain, rest, fan, caller)
	c.far.treats(func(o observation) answer {
		a := answer{after: time.Duration((len(o.key)+o.n)%4) * 20 * time.Millisecond}
		if (int(o.key[10])+o.n)%3 != 0 {
			a.status = http.StatusServiceUnavailable
		}
		return a
	})
	l := c.load(4, 20*time.Millisecond, []*process{front}, fan, chain, fan, rest, caller)
	l.await(t, 150, time.Minute)
	c.check(l.stop(), expectation{calm: true})
}

// hungSource calls a far side that never answers.
const hungSource = `
apiVersion: paragon/v1
kind: Workflow
metadata: {name: hung}
spec:
  steps:
    - {id: never, timeout: 3s, request: {method: POST, url: FAR, body: {n: "${{ input.n }}"}}}
`

func TestHungFarSideLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front, _ := split(c, chain)
	silent := newFarSide(t)
	silent.treats(func(observation) answer { return answer{hang: true} })
	c.apply(front, yamlOf(silent, shape{yaml: hungSource}))

	before := c.latency(front, "before", 40)
	const hanging = 300
	client := c.client(front)
	for i := range hanging {
		c.trigger(client, "hung", fmt.Sprintf("hung-%d", i))
	}
	silent.await(t, time.Minute, "the far side hangs", func() bool { return silent.count("never", 1) > hanging/2 })
	during := c.latency(front, "during", 40)
	t.Logf("accepted to first step, median: %v alone, %v next to %d hung requests", before, during, hanging)
	if during > max(4*before, 150*time.Millisecond) {
		t.Errorf("a hung far side makes others wait: %v from accepted to first step, %v without it", during, before)
	}

	c.eventually(time.Minute, "the hung runs are history", func(ctx context.Context) (bool, error) {
		var n int
		err := c.pool.QueryRow(ctx, `SELECT count(*) FROM runs WHERE workflow = 'hung' AND status = 'failed'`).Scan(&n)
		return n == hanging, err
	})
	for id, run := range c.past() {
		for _, s := range run.steps {
			for _, a := range s.attempts {
				took := a.EndedAt.Sub(a.StartedAt)
				if s.path == "never" && (a.Error == nil || a.Error.Type != "timeout" || took < 3*time.Second || took > 5*time.Second) {
					t.Errorf("run %s: the hung attempt took %v and ended with %v; want a timeout after 3s", id, took, a.Error)
				}
			}
		}
		if run.status != schema.RunFailed && run.status != schema.RunSucceeded {
			t.Errorf("run %s is %s", id, run.status)
		}
	}
}

// latency is the median time from a run's acknowledgement to its first step.
func (c *cluster) latency(door *process, prefix string, runs int) time.Duration {
	c.t.Helper()
	client := c.client(door)
	took := make([]time.Duration, runs)
	for i := range runs {
		began := time.Now()
		run := c.trigger(client, chain.name, fmt.Sprintf("%s-%d", prefix, i))
		c.far.await(c.t, time.Minute, "a run's last step", func() bool { return len(c.far.of(run.ID+"/c")) > 0 })
		took[i] = c.far.of(run.ID + "/a")[0].at.Sub(began)
	}
	slices.Sort(took)
	return took[runs/2]
}
