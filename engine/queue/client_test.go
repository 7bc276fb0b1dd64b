package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"paragon/engine/servicetest"
	"paragon/schema"
)

// gate is a client whose pipelines wait for permission, so that a test decides
// what gathers meanwhile.
type gate struct {
	redis.UniversalClient
	entered chan struct{} // one value a pipeline that has arrived
	pass    chan error    // nil lets it through; an error loses its reply
}

func newGate(rdb redis.UniversalClient) *gate {
	return &gate{UniversalClient: rdb, entered: make(chan struct{}, 100), pass: make(chan error, 100)}
}

func (g *gate) Pipeline() redis.Pipeliner { return &gatedPipe{g.UniversalClient.Pipeline(), g} }

type gatedPipe struct {
	redis.Pipeliner
	g *gate
}

func (p *gatedPipe) Exec(ctx context.Context) ([]redis.Cmder, error) {
	p.g.entered <- struct{}{}
	lost := <-p.g.pass
	cmds, err := p.Pipeliner.Exec(ctx)
	if lost != nil {
		for _, c := range cmds {
			c.SetErr(lost)
		}
		return cmds, lost
	}
	return cmds, err
}

func pending(t testing.TB, rdb redis.UniversalClient, target Target) []Bundle {
	t.Helper()
	var out []Bundle
	k := keysOf(target)
	tasks, err := rdb.LRange(context.Background(), k.pending, 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(tasks) // the next one first
	for _, id := range tasks {
		msg, err := rdb.HGet(context.Background(), k.taskPrefix+id, "msg").Result()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, Bundle{Target: target, IDs: payloadOf(msg)})
	}
	return out
}

// payloadOf finds our ids in asynq's protobuf: field 2, after the type.
func payloadOf(msg string) []string {
	_, rest, _ := strings.Cut(msg, "\x0a\x06bundle\x12")
	n, i := 0, 0
	for shift := 0; ; shift += 7 {
		b := rest[i]
		i++
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	return strings.Split(rest[i:i+n], "\n")
}

func TestEnqueueWhenIdleGoesAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		c := producerOf(t, rdb, ClientOptions{})
		target := Target{Lane: 2, Priority: schema.PriorityHigh}
		for _, id := range ids("a", 3) {
			if err := c.Enqueue(within(t, patience), target, id); err != nil {
				t.Fatal(err)
			}
		}
		got := pending(t, rdb, target)
		if len(got) != 3 || got[0].IDs[0] != "a-000000" || got[2].IDs[0] != "a-000002" {
			t.Errorf("pending = %v", got)
		}
		if ids, bundles := c.Enqueued(); ids != 3 || bundles != 3 {
			t.Errorf("%d ids in %d bundles", ids, bundles)
		}
	})
}

func TestConcurrentEnqueuesFormBundles(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		g := newGate(rdb)
		c := producerOf(t, g, ClientOptions{MaxBundle: 10})
		ctx := within(t, patience)
		var wg sync.WaitGroup
		enqueue := func(ids ...string) {
			wg.Go(func() {
				if err := c.Enqueue(ctx, Target{}, ids...); err != nil {
					t.Error(err)
				}
			})
		}
		enqueue("first")
		<-g.entered // the first is in flight, alone
		for _, id := range ids("x", 25) {
			enqueue(id)
		}
		waiting := func() int {
			group := c.groups[Target{Priority: schema.PriorityNormal}]
			group.mu.Lock()
			defer group.mu.Unlock()
			return len(group.waiting)
		}
		eventually(t, "25 calls in the group", func() bool { return waiting() == 25 })
		g.pass <- nil
		g.pass <- nil
		g.pass <- nil // the first time, the script has to be sent in full
		wg.Wait()
		var sizes []int
		for _, b := range pending(t, rdb, Target{}) {
			sizes = append(sizes, len(b.IDs))
		}
		if !slices.Equal(sizes, []int{1, 10, 10, 5}) {
			t.Errorf("bundles of %v ids, want 1, 10, 10, 5", sizes)
		}
		if n := len(g.entered); n > 2 {
			t.Errorf("%d more round trips, want one, and one for the script", n)
		}
	})
}

func TestOneCallIsOneBundleIfItFits(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		c := producerOf(t, rdb, ClientOptions{MaxBundle: 4})
		if err := c.Enqueue(within(t, patience), Target{}, ids("a", 4)...); err != nil {
			t.Fatal(err)
		}
		if err := c.Enqueue(within(t, patience), Target{}, ids("b", 9)...); err != nil {
			t.Fatal(err)
		}
		var sizes []int
		var all []string
		for _, b := range pending(t, rdb, Target{}) {
			sizes = append(sizes, len(b.IDs))
			all = append(all, b.IDs...)
		}
		if !slices.Equal(sizes, []int{4, 4, 4, 1}) || !slices.Equal(all, append(ids("a", 4), ids("b", 9)...)) {
			t.Errorf("bundles of %v: %v", sizes, all)
		}
	})
}

// TestLostReplyEnqueuesOnce loses the reply of an enqueue that Redis has run:
// the repetition must be recognised.
func TestLostReplyEnqueuesOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		warm := producerOf(t, rdb, ClientOptions{})
		if err := warm.Enqueue(within(t, patience), Target{Lane: 1}, "script is loaded"); err != nil {
			t.Fatal(err)
		}
		g := newGate(rdb)
		c := producerOf(t, g, ClientOptions{})
		g.pass <- errors.New("connection reset")
		g.pass <- errors.New("connection reset")
		g.pass <- nil
		if err := c.Enqueue(within(t, patience), Target{}, ids("a", 300)...); err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, b := range pending(t, rdb, Target{}) {
			all = append(all, b.IDs...)
		}
		if !slices.Equal(all, ids("a", 300)) {
			t.Errorf("%d ids in the queue, want each of 300 once, in order", len(all))
		}
	})
}

func TestRedisAwayIsUnavailable(t *testing.T) {
	m, err := miniredis.Run()
	if err != nil {
		t.Fatal(err)
	}
	rdb := connect(t, m.Addr())
	m.Close()
	c := producerOf(t, rdb, ClientOptions{RetryFor: 50 * time.Millisecond})
	if err := c.Enqueue(within(t, patience), Target{}, "a"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("err = %v, want ErrUnavailable", err)
	}
}

func TestFullRedisRefusesAtOnce(t *testing.T) {
	r := servicetest.StartRedis(t, servicetest.RedisOptions{Args: []string{"--maxmemory", "1"}})
	c := producerOf(t, connect(t, r.Addr), ClientOptions{RetryFor: time.Hour})
	err := c.Enqueue(within(t, patience), Target{}, "a")
	if err == nil || errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("err = %v, want Redis' own words about memory", err)
	}
}

func TestEnqueueRefusesNonsense(t *testing.T) {
	c := producerOf(t, connect(t, "127.0.0.1:1"), ClientOptions{})
	ctx := within(t, patience)
	done, cancel := context.WithCancel(ctx)
	cancel()
	for name, err := range map[string]error{
		"empty id":     c.Enqueue(ctx, Target{}, "a", ""),
		"line break":   c.Enqueue(ctx, Target{}, "a\nb"),
		"lane":         c.Enqueue(ctx, Target{Lane: -1}, "a"),
		"priority":     c.Enqueue(ctx, Target{Priority: "urgent"}, "a"),
		"done context": c.Enqueue(done, Target{}, "a"),
	} {
		if err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if err := c.Enqueue(ctx, Target{}); err != nil {
		t.Errorf("no ids: %v", err)
	}
}

func TestCallerMayGiveUp(t *testing.T) {
	m := miniredis.RunT(t)
	g := newGate(connect(t, m.Addr()))
	c := producerOf(t, g, ClientOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() { result <- c.Enqueue(ctx, Target{}, "a") }()
	<-g.entered
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	g.pass <- nil
	g.pass <- nil
}

func TestStopWaitsForWhatIsInFlight(t *testing.T) {
	m := miniredis.RunT(t)
	rdb := connect(t, m.Addr())
	g := newGate(rdb)
	c := NewClient(g, ClientOptions{})
	result, stopped := make(chan error, 1), make(chan error, 1)
	go func() { result <- c.Enqueue(context.Background(), Target{}, "a") }()
	<-g.entered
	go func() { stopped <- c.Stop(within(t, patience)) }()
	eventually(t, "the stop", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.stopped
	})
	if err := c.Enqueue(context.Background(), Target{}, "b"); !errors.Is(err, ErrStopped) {
		t.Errorf("after Stop: %v", err)
	}
	select {
	case err := <-stopped:
		t.Fatalf("Stop returned %v with an enqueue in flight", err)
	default:
	}
	for range 10 {
		g.pass <- nil
	}
	if err := errors.Join(<-result, <-stopped); err != nil {
		t.Error(err)
	}
	if got := pending(t, rdb, Target{}); len(got) == 0 || got[0].IDs[0] != "a" {
		t.Errorf("pending = %v", got)
	}
}

func TestStopIsBounded(t *testing.T) {
	r := servicetest.StartRedis(t, servicetest.RedisOptions{})
	c := NewClient(connectWith(t, r.Addr, RedisOptions{Timeout: 200 * time.Millisecond}), ClientOptions{RetryFor: time.Hour})
	r.Pause()
	defer r.Resume()
	result := make(chan error, 1)
	go func() { result <- c.Enqueue(context.Background(), Target{}, "a") }()
	eventually(t, "a flight", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.groups) == 1
	})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stop = %v", err)
	}
	if err := <-result; !errors.Is(err, ErrStopped) && !errors.Is(err, ErrUnavailable) {
		t.Errorf("Enqueue = %v", err)
	}
}

func ExampleTarget() {
	fmt.Println(Target{Lane: 3, Priority: schema.PriorityHigh})
	// Output: 3/high
}
