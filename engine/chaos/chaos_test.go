package chaos_test

import (
	"slices"
	"testing"
	"time"
)

// TestChaos plays a random schedule of faults on an installation under load,
// and checks at the end that every acknowledged run ended, once, that its
// effects happened as often as its log says, in their order, and that nothing
// is left behind.
func TestChaos(t *testing.T) {
	t.Parallel()
	seed := *chaosSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("play it again with: go test ./engine/chaos -run '^TestChaos$' -count 1 -v -args -chaos.for %v -chaos.seed %d", *chaosFor, seed)

	c := newCluster(t, options{ownPostgres: true})
	limit := []string{"--log-limit", "600000"}
	doors := []*process{c.start("front-1", "api,scheduler", limit...), c.start("front-2", "api,flusher", limit...)}
	c.doors = doors
	c.start("back", "scheduler,flusher")
	c.start("worker-1", "worker", "--drain", "3s")
	c.start("worker-2", "worker", "--drain", "3s")
	c.start("all", everything, append(limit, "--drain", "3s")...)
	shapes := []shape{chain, kept, rest, fan, caller, listener, keptRest, keptCaller}
	c.apply(doors[0], yamlOf(c.far, append(slices.Clone(shapes), speaker)...))
	l := c.load(6, 100*time.Millisecond, doors, shapes...)
	began := time.Now()
	for _, f := range schedule(seed, *chaosFor, len(c.processes)) {
		c.pass(f.after)
		t.Logf("%v: %v", time.Since(began).Round(time.Millisecond), f)
		c.happen(f)
		if t.Failed() {
			break
		}
	}
	acked := merge(l.stop(), c.flooded)
	t.Logf("%d runs were acknowledged, %d triggers had to be sent again", len(acked), l.refused)
	c.check(acked, expectation{frozen: true, within: 3 * time.Minute})
}

func TestScheduleIsMadeOfItsSeed(t *testing.T) {
	t.Parallel()
	a, b := schedule(7, time.Hour, 5), schedule(7, time.Hour, 5)
	if !slices.Equal(a, b) {
		t.Error("one seed made two schedules")
	}
	if slices.Equal(a, schedule(8, time.Hour, 5)) {
		t.Error("two seeds made one schedule")
	}
	kinds := map[string]bool{}
	for _, f := range a {
		kinds[f.kind] = true
	}
	if len(kinds) != len(faults) {
		t.Errorf("an hour has %d of %d kinds of fault", len(kinds), len(faults))
	}
}
