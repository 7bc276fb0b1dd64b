package interpret_test

import (
	"encoding/json"
	"runtime"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"paragon/workflows/interpret"
)

// Effects read their scope while the machine goes on; one that was aborted may
// do so until the run is over. The race detector looks on.
func TestEffectsReadWhileTheRunGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawRun(t)()
		var under sync.WaitGroup
		end := make(chan struct{})
		stop := map[string]func(){}
		e.starts = func(a interpret.Action) {
			over, gone := make(chan struct{}), make(chan struct{})
			stop[a.Path] = func() { close(over); <-gone }
			under.Go(func() {
				defer close(gone)
				for {
					if _, err := json.Marshal(a.Scope); err != nil {
						panic(err)
					}
					sent(a)
					select {
					case <-over:
						return
					case <-end:
						return
					default:
						runtime.Gosched()
					}
				}
			})
		}
		e.stops = func(path string) { stop[path](); delete(stop, path) }
		defer under.Wait()
		defer close(end)
		e.run()
	})
}

// The onFailure steps of a run that timed out do not write where its aborted
// effects read.
func TestOnFailureLeavesAbortedEffectsAlone(t *testing.T) {
	m := machineOf(t, `
timeout: 10s
steps: [{id: a, request: {url: https://far.test/}}]
onFailure: [{id: b, set: {x: 1}}]
`)
	read := m.Next(epoch).Perform[0].Scope.Steps
	d := m.Next(epoch.Add(10 * time.Second))
	if len(read) != 0 || d.End == nil || len(d.Abort) != 1 {
		t.Errorf("the aborted step reads %v; %+v", read, d)
	}
}
