package chaos_test

import (
	"slices"
	"testing"
	"time"

	"paragon/engine/daemon"
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

	c := &siege{cluster: newCluster(t, options{ownPostgres: true})}
	limit := []string{"--log-limit", "600000"}
	c.doors = []*process{c.start("front-1", "api,scheduler", limit...), c.start("front-2", "api,flusher", limit...)}
	c.start("back", "scheduler,flusher")
	c.start("worker", "worker", "--drain", "3s")
	c.start("all", everything, append(limit, "--drain", "3s")...)
	// Its clock leaps farther than a step may take; what it parks waits for that
	// much longer.
	c.startClockedAs("odd", clocked{Roles: []daemon.Role{daemon.RoleWorker}, Leap: 2 * stepTimeout, Drain: 3 * time.Second})
	shapes := []shape{
		chain, kept, rest, fan, caller, listener, keptRest, keptCaller,
		single, paced, rated, settled, hurried, endless, again,
	}
	c.apply(c.doors[0], yamlOf(c.far, append(slices.Clone(shapes), speaker)...))
	c.load = c.cluster.load(6, 100*time.Millisecond, c.doors, shapes...)
	c.play(schedule(seed, *chaosFor, len(c.processes)))
	acked := merge(c.load.stop(), c.flooded)
	t.Logf("played: %s", c.summary())
	t.Logf("%d runs were acknowledged, %d triggers had to be sent again", len(acked), c.load.refused)
	c.check(acked, expectation{within: 3 * time.Minute})
	t.Logf("%d calls timed out", c.timedOut())
}

// timedOut counts the attempts in the store that took too long.
func (c *cluster) timedOut() (n int) {
	c.t.Helper()
	c.must(c.pool.QueryRow(c.t.Context(), `SELECT count(*) FROM steps WHERE attempts::text LIKE '%"timeout"%'`).Scan(&n))
	return n
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
}

// TestSchedulesAreRich: whatever the seed, a minute has each kind of fault that
// fits, and faults that come beside others; ten minutes have all kinds.
func TestSchedulesAreRich(t *testing.T) {
	t.Parallel()
	for _, total := range []time.Duration{time.Minute, 10 * time.Minute} {
		for seed := range uint64(200) {
			beside, times := 0, map[*kind]int{}
			faults := schedule(seed, total, 6)
			for i, f := range faults {
				times[f.kind]++
				if f.end() > total {
					t.Errorf("seed %d: %v ends at %v, beyond %v", seed, f, f.end(), total)
				}
				others := 0
				for _, g := range faults[:i] {
					if g.end() <= f.at {
						continue
					}
					others++
					if f.clashes(g) {
						t.Errorf("seed %d: %v while %v", seed, f, g)
					}
				}
				if others > 1 {
					t.Errorf("seed %d: %d faults at a time", seed, others+1)
				}
				beside += others
			}
			for i := range kinds {
				if want := !kinds[i].long || total >= longFrom; (times[&kinds[i]] > 0) != want {
					t.Errorf("seed %d: %v has %q %d times", seed, total, kinds[i].name, times[&kinds[i]])
				}
			}
			if beside == 0 {
				t.Errorf("seed %d: no fault comes beside another", seed)
			}
		}
	}
}
