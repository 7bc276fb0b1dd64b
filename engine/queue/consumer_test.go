package queue

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"paragon/schema"
)

func TestDelivery(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		in := newInbox()
		consume(t, rdb, ConsumerOptions{Lanes: Lanes(2), Handler: in.handle})
		c := producerOf(t, rdb, ClientOptions{})
		for _, target := range Targets(Lanes(2)) {
			if err := c.Enqueue(within(t, patience), target, target.String()+"-a", target.String()+"-b"); err != nil {
				t.Fatal(err)
			}
		}
		in.until(t, "six bundles", func() bool { return len(in.bundles) == 6 })
		for _, b := range in.bundles {
			if !slices.Equal(b.IDs, []string{b.Target.String() + "-a", b.Target.String() + "-b"}) {
				t.Errorf("%s got %v", b.Target, b.IDs)
			}
		}
		// Nothing is left but counters.
		eventually(t, "an empty queue", func() bool {
			for _, target := range Targets(Lanes(2)) {
				k := keysOf(target)
				if n, err := rdb.Exists(context.Background(), k.pending, k.active, k.lease, k.retry).Result(); err != nil || n != 0 {
					return false
				}
			}
			keys, err := rdb.Keys(context.Background(), "asynq:*:t:*").Result()
			return err == nil && len(keys) == 0
		})
	})
}

// TestRingWakes shows that it is the ring that starts an idle queue: the
// safety interval is an hour.
func TestRingWakes(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		in := newInbox()
		c := consume(t, rdb, ConsumerOptions{Lanes: Lanes(2), Handler: in.handle, Safety: time.Hour})
		client := producerOf(t, rdb, ClientOptions{})
		for i, id := range ids("r", 20) {
			idle(t, c)
			if err := client.Enqueue(within(t, patience), Target{Lane: i % 2}, id); err != nil {
				t.Fatal(err)
			}
			in.has(t, id)
		}
		if n := c.Stats().Rings; n == 0 {
			t.Error("no ring ended a wait")
		}
	})
}

// TestRingBetweenReplyAndWait rings while the empty reply is on its way: the
// wait must end at once.
func TestRingBetweenReplyAndWait(t *testing.T) {
	c := NewConsumer(nil, ConsumerOptions{Safety: time.Hour, Log: quiet()})
	c.bells = &listener{}
	c.bells.up.Store(true)
	v := &view{consumer: c, bell: make(chan struct{}, 1)}
	ran := 0
	cmd := v.dequeue(func() *redis.Cmd {
		ran++
		v.ring() // after Redis found nothing, before we know
		v.ring() // twice is once
		return redis.NewCmdResult(nil, redis.Nil)
	})
	if !errors.Is(cmd.Err(), redis.Nil) || ran != 1 {
		t.Errorf("err %v after %d fetches", cmd.Err(), ran)
	}
	// The ring is used up; one that came before the next fetch is not kept for
	// the wait after it.
	v.ring()
	go func() {
		for c.Stats().Empty < 2 {
			time.Sleep(time.Millisecond)
		}
		c.Quiesce()
	}()
	v.dequeue(func() *redis.Cmd { return redis.NewCmdResult(nil, redis.Nil) })
	if n := c.Stats().Rings; n != 1 {
		t.Errorf("%d rings ended a wait, want 1", n)
	}
}

// TestLostRing enqueues without a ring: the safety interval finds it.
func TestLostRing(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		in := newInbox()
		c := consume(t, rdb, ConsumerOptions{Handler: in.handle, Safety: 20 * time.Millisecond})
		idle(t, c)
		silent := producerOf(t, mute{rdb}, ClientOptions{})
		if err := silent.Enqueue(within(t, patience), Target{}, "a"); err != nil {
			t.Fatal(err)
		}
		in.has(t, "a")
	})
}

// mute is a client whose pipelines don't publish.
type mute struct{ redis.UniversalClient }

func (m mute) Pipeline() redis.Pipeliner { return mutePipe{m.UniversalClient.Pipeline()} }

type mutePipe struct{ redis.Pipeliner }

func (mutePipe) Publish(context.Context, string, any) *redis.IntCmd {
	return redis.NewIntResult(0, nil)
}

// TestReadyHoldsFetching shows that nothing is taken while there is no room,
// that only the priority concerned waits, and that a long wait for room does
// not cost the bundle its lease.
func TestReadyHoldsFetching(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		in := newInbox()
		room := make(chan struct{})
		consume(t, rdb, ConsumerOptions{Handler: in.handle, Ready: func(ctx context.Context, target Target) error {
			if target.Priority != schema.PriorityLow {
				return nil
			}
			select {
			case <-room:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
		c := producerOf(t, rdb, ClientOptions{})
		ctx := within(t, patience)
		if err := errors.Join(c.Enqueue(ctx, Target{Priority: schema.PriorityLow}, "low"), c.Enqueue(ctx, Target{}, "normal")); err != nil {
			t.Fatal(err)
		}
		in.has(t, "normal")
		time.Sleep(staleLease + 100*time.Millisecond) // not a wait for something: a wait that grows stale
		if in.count["low"] != 0 {
			t.Error("a bundle was taken without room")
		}
		close(room)
		in.has(t, "low")
		eventually(t, "completion", func() bool {
			return rdb.Exists(ctx, keysOf(Target{Priority: schema.PriorityLow}).active).Val() == 0
		})
	})
}

func TestReadyError(t *testing.T) {
	m := miniredis.RunT(t)
	rdb := connect(t, m.Addr())
	in := newInbox()
	var calls atomic.Int64
	consume(t, rdb, ConsumerOptions{Handler: in.handle, Ready: func(context.Context, Target) error {
		if calls.Add(1) < 6 {
			return errors.New("can't tell")
		}
		return nil
	}})
	if err := producerOf(t, rdb, ClientOptions{}).Enqueue(within(t, patience), Target{}, "a"); err != nil {
		t.Fatal(err)
	}
	in.has(t, "a")
}

// TestHandlerErrorIsDeliveredAgain lets a handler fail for longer than it is
// tried at once, and panic.
func TestHandlerErrorIsDeliveredAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		in := newInbox()
		calls := 0
		in.fail = func(Bundle) error {
			switch calls++; {
			case calls <= handlerTries:
				return errors.New("Redis is away")
			case calls == handlerTries+1:
				in.mu.Unlock()
				defer in.mu.Lock()
				panic("a bug")
			}
			return nil
		}
		consume(t, rdb, ConsumerOptions{Handler: in.handle})
		if err := producerOf(t, rdb, ClientOptions{}).Enqueue(within(t, patience), Target{}, "a", "b"); err != nil {
			t.Fatal(err)
		}
		in.has(t, "a", "b")
		if n := rdb.Exists(context.Background(), "asynq:{"+queueName(Target{})+"}:archived").Val(); n != 0 {
			t.Error("the archive was used")
		}
	})
}

func TestQuiesce(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		in := newInbox()
		c := consume(t, rdb, ConsumerOptions{Handler: in.handle})
		idle(t, c)
		c.Quiesce()
		client := producerOf(t, rdb, ClientOptions{})
		if err := client.Enqueue(within(t, patience), Target{}, "a"); err != nil {
			t.Fatal(err)
		}
		if err := c.Stop(within(t, patience)); err != nil {
			t.Fatal(err)
		}
		if got := pending(t, rdb, Target{}); len(got) != 1 {
			t.Errorf("%d bundles wait, want the one that came after Quiesce", len(got))
		}
		// Another worker takes it.
		consume(t, rdb, ConsumerOptions{Handler: in.handle})
		in.has(t, "a")
	})
}

func TestStopWhileHeldIsQuick(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		c := consume(t, rdb, ConsumerOptions{Lanes: Lanes(4), Handler: newInbox().handle, Safety: time.Hour})
		idle(t, c)
		start := time.Now()
		if err := c.Stop(within(t, patience)); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("Stop took %v with nothing to do", d)
		}
		if err := c.Stop(within(t, patience)); err != nil {
			t.Errorf("second Stop: %v", err)
		}
		if err := c.Start(context.Background()); err == nil {
			t.Error("started again after Stop")
		}
	})
}

// TestStopWaitsForHandlers also shows that a handler is told when time is up,
// and that what it held comes back.
func TestStopWaitsForHandlers(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		entered, release := make(chan struct{}, 2), make(chan struct{})
		c := consume(t, rdb, ConsumerOptions{Handler: func(ctx context.Context, b Bundle) error {
			entered <- struct{}{}
			if b.IDs[0] == "quick" {
				<-release
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}})
		client := producerOf(t, rdb, ClientOptions{})
		if err := client.Enqueue(within(t, patience), Target{}, "quick"); err != nil {
			t.Fatal(err)
		}
		if err := client.Enqueue(within(t, patience), Target{}, "slow"); err != nil {
			t.Fatal(err)
		}
		<-entered
		<-entered
		close(release)
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		if err := c.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stop = %v", err)
		}
		in := newInbox()
		consume(t, rdb, ConsumerOptions{Handler: in.handle})
		in.has(t, "slow")
		if in.count["quick"] != 0 {
			t.Error("a bundle that was handled came back")
		}
	})
}

func TestRedisDownAtStart(t *testing.T) {
	m := miniredis.RunT(t)
	addr := m.Addr()
	m.Close()
	rdb := connect(t, addr)
	in := newInbox()
	start := time.Now()
	consume(t, rdb, ConsumerOptions{Handler: in.handle})
	if d := time.Since(start); d > time.Second {
		t.Errorf("Start took %v", d)
	}
	if err := m.StartAddr(addr); err != nil {
		t.Fatal(err)
	}
	if err := producerOf(t, rdb, ClientOptions{}).Enqueue(within(t, patience), Target{}, "a"); err != nil {
		t.Fatal(err)
	}
	in.has(t, "a")
}

func TestStartRefusesNonsense(t *testing.T) {
	rdb := connect(t, "127.0.0.1:1")
	h := newInbox().handle
	for name, o := range map[string]ConsumerOptions{
		"no handler":    {Lanes: []int{0}},
		"no lanes":      {Handler: h},
		"lane twice":    {Handler: h, Lanes: []int{1, 1}},
		"negative lane": {Handler: h, Lanes: []int{-1}},
	} {
		c := NewConsumer(rdb, o)
		if c.Start(context.Background()) == nil {
			t.Errorf("%s is accepted", name)
		}
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// TestForeignBundleIsDropped puts a task in the queue that is not ours.
func TestForeignBundleIsDropped(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		in := newInbox()
		consume(t, rdb, ConsumerOptions{Handler: in.handle})
		p := newProducer(rdb)
		if err := p.send(within(t, patience), Target{}.normal(), []*parcel{newParcel([]string{"", "x"})}); err != nil {
			t.Fatal(err)
		}
		if err := producerOf(t, rdb, ClientOptions{}).Enqueue(within(t, patience), Target{}, "a"); err != nil {
			t.Fatal(err)
		}
		in.has(t, "a")
		eventually(t, "an empty queue", func() bool {
			keys, err := rdb.Keys(context.Background(), "asynq:*:t:*").Result()
			return err == nil && len(keys) == 0
		})
	})
}

func TestAutopipelinedConsumer(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ap, err := Autopipeline(rdb)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ap.Close() })
		in := newInbox()
		c := consume(t, ap, ConsumerOptions{Lanes: Lanes(3), Handler: in.handle})
		client := producerOf(t, ap, ClientOptions{})
		all := ids("a", 500)
		for i, id := range all {
			if err := client.Enqueue(within(t, patience), Target{Lane: i % 3}, id); err != nil {
				t.Fatal(err)
			}
		}
		in.has(t, all...)
		if err := c.Stop(within(t, patience)); err != nil {
			t.Fatal(err)
		}
	})
}
