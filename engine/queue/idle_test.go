package queue

import (
	"context"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/servicetest"
)

// TestIdleCost counts what an idle worker and scheduler cost Redis, and the
// processor: 4 lanes of 3 priorities, timers included. The rates of asynq's
// own loops are part of it.
func TestIdleCost(t *testing.T) {
	rdb := connect(t, servicetest.Redis(t))
	c := consume(t, rdb, ConsumerOptions{Lanes: Lanes(4), Handler: newInbox().handle})
	f := newFired()
	runTimers(t, rdb, TimersOptions{Lanes: Lanes(4), Fire: f.fire(rdb, time.Now)})
	if err := producerOf(t, rdb, ClientOptions{}).Enqueue(within(t, patience), Target{}, "a"); err != nil {
		t.Fatal(err)
	}
	idle(t, c)
	time.Sleep(500 * time.Millisecond) // what a start costs is not idle
	const window = 10 * time.Second
	sent, before, cpu := received(t, rdb), commands(t, rdb), processorTime(t)
	time.Sleep(window)
	cpu = processorTime(t) - cpu
	after, sent2 := commands(t, rdb), received(t, rdb)
	total := 0
	for name, n := range after {
		if d := n - before[name]; d > 0 {
			total += d
			t.Logf("%-24s %5.1f a second", name, float64(d)/window.Seconds())
		}
	}
	perSecond := float64(total) / window.Seconds()
	share := cpu.Seconds() / window.Seconds()
	t.Logf("%.1f commands a second with those inside scripts, %.1f requests; %.2f %% of a core", perSecond, float64(sent2-sent)/window.Seconds(), share*100)
	if perSecond >= 40 { // the engine's own heartbeats need some of the 50
		t.Errorf("an idle queue costs Redis %.1f commands a second, want less than 40", perSecond)
	}
	if share >= 0.02 && !raceEnabled {
		t.Errorf("an idle queue costs %.2f %% of a core, want less than 2", share*100)
	}
}

// commands reads how often Redis has run each command, in scripts too.
func commands(t *testing.T, rdb redis.UniversalClient) map[string]int {
	t.Helper()
	text, err := rdb.Info(context.Background(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]int)
	for line := range strings.Lines(text) {
		name, stats, ok := strings.Cut(strings.TrimSpace(line), ":calls=")
		if !ok || name == "cmdstat_info" {
			continue
		}
		n, _, _ := strings.Cut(stats, ",")
		out[strings.TrimPrefix(name, "cmdstat_")], _ = strconv.Atoi(n)
	}
	return out
}

// received reads how many commands clients have sent.
func received(t *testing.T, rdb redis.UniversalClient) int {
	t.Helper()
	text, err := rdb.Info(context.Background(), "stats").Result()
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(infoField(text, "total_commands_processed"))
	return n
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
