package dash_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"paragon/schema/api"
	"paragon/tui/screentest"
)

const quickYAML = `apiVersion: paragon/v1
kind: Workflow
metadata: {name: quick}
spec:
  steps:
    - id: one
      set: {n: 1}
`

// quick is a real installation with all roles in one process, and a dashboard.
func quick(b *testing.B) (*installation, *screentest.Screen) {
	paragond, paragonctl := binaries(b)
	in := newInstallation(b, paragond)
	in.serve("api,worker,scheduler,flusher", in.address)
	in.ready(b.Context())
	in.apply(b.Context(), quickYAML)
	s := in.dash(paragonctl, 120, 32)
	must(b, s.AwaitText(b.Context(), "? help"))
	return in, s
}

// BenchmarkCount is from the end of a run, on a real server, until the overview
// has counted it: recorded, written, told of and drawn.
func BenchmarkCount(b *testing.B) {
	in, s := quick(b)
	var took []time.Duration
	for n := 1; b.Loop(); n++ {
		// The last one was drawn at a moment of the second that has to do with
		// when it was; the next ends at any.
		phase := time.NewTimer(rand.N(time.Second))
		<-phase.C
		run, err := in.client.Trigger(b.Context(), "quick", api.TriggerRequest{}, 10*time.Second)
		must(b, err)
		if run.EndedAt == nil {
			b.Fatalf("run %s is %s", run.ID, run.Status)
		}
		ended := fmt.Sprintf(" %d runs ended in 5m", n)
		if n == 1 {
			ended = " 1 run ended in 5m"
		}
		must(b, s.AwaitText(b.Context(), ended))
		took = append(took, time.Since(*run.EndedAt))
	}
	spread(b, took)
}

// BenchmarkKeystrokeForReal is BenchmarkKeystroke with a real server that
// executes as many runs as it can on what it shares with everything else here.
func BenchmarkKeystrokeForReal(b *testing.B) {
	in, s := quick(b)
	ctx, stop := context.WithCancel(b.Context())
	var load sync.WaitGroup
	defer load.Wait()
	defer stop()
	for range 2 {
		load.Go(func() {
			for ctx.Err() == nil {
				err := in.client.TriggerMany(ctx, "quick", func(yield func(api.TriggerRequest, error) bool) {
					for range 2000 {
						if !yield(api.TriggerRequest{}, nil) {
							return
						}
					}
				}, func(int, api.TriggerLine) error { return nil })
				if err != nil && ctx.Err() == nil {
					b.Log(err) // the server has enough for now
				}
			}
		})
	}
	ended := func() int64 {
		all, err := in.client.Stats(ctx, api.StatsQuery{Window: time.Hour})
		must(b, err)
		return all.Total.Ended()
	}
	// What it tells is awaited at each of its events.
	enough := fmt.Errorf("there are %d", longList)
	if err := in.client.StreamStats(ctx, api.StatsQuery{}, func(*api.Stats) error {
		if ended() >= longList+longList/10 {
			return enough
		}
		return nil
	}); err == nil {
		b.Fatal("the stream ended")
	}
	listAll(b, ctx, s, "quick", longList)
	last, _ := place(s.Text())
	began, before := time.Now(), ended()
	var took []time.Duration
	up := true
	for b.Loop() {
		row, _ := place(s.Text())
		up = row == last || up && row > last-20
		took = append(took, step(b, ctx, s, up))
	}
	b.ReportMetric(float64(ended()-before)/time.Since(began).Seconds(), "runs/s")
	spread(b, took)
}
