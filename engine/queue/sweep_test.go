package queue

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// abandon takes the next bundle as asynq's dequeue does and forgets it: what a
// worker leaves that is killed, or whose reply was lost.
func abandon(t testing.TB, rdb redis.UniversalClient, target Target, at time.Time) (id string) {
	t.Helper()
	ctx := context.Background()
	k := keysOf(target)
	id, err := rdb.RPopLPush(ctx, k.pending, k.active).Result()
	if err != nil {
		t.Fatal(err)
	}
	pipe := rdb.Pipeline()
	pipe.HSet(ctx, k.taskPrefix+id, "state", "active")
	pipe.HDel(ctx, k.taskPrefix+id, "pending_since")
	pipe.ZAdd(ctx, k.lease, redis.Z{Score: float64(at.Add(30 * time.Second).Unix()), Member: id})
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	return id
}

func sweeper(rdb redis.UniversalClient, lanes ...int) *Consumer {
	return NewConsumer(rdb, ConsumerOptions{Lanes: lanes, Log: quiet()})
}

// TestSweepFindsADeadWorkersBundle is asynq's trap of 55 to 170 s.
func TestSweepFindsADeadWorkersBundle(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := within(t, patience)
		client := producerOf(t, rdb, ClientOptions{})
		target := Target{Lane: 1}.normal()
		for _, id := range []string{"lost", "next"} {
			if err := client.Enqueue(ctx, target, id); err != nil {
				t.Fatal(err)
			}
		}
		now := time.Now()
		abandon(t, rdb, target, now)
		c := sweeper(rdb, 0, 1)
		// A living worker extends its leases every 5 s.
		c.sweepOnce(ctx, now.Add(6*time.Second))
		if n := c.Stats().Swept; n != 0 {
			t.Errorf("swept after 6 s")
		}
		c.sweepOnce(ctx, now.Add(8*time.Second))
		if n := c.Stats().Swept; n != 1 {
			t.Errorf("swept %d after 8 s, want 1", n)
		}
		got := pending(t, rdb, target)
		if len(got) != 2 || got[0].IDs[0] != "lost" {
			t.Errorf("pending = %v, want the lost one first", got)
		}
		k := keysOf(target)
		if n := rdb.Exists(ctx, k.active, k.lease).Val(); n != 0 {
			t.Error("the lease or the active entry is still there")
		}
		if at, ok, err := NewInspector(rdb, nil).OldestPending(ctx, target); err != nil || !ok || !at.IsZero() {
			t.Errorf("OldestPending = %v %v %v: what was put back has no known time", at, ok, err)
		}
	})
}

// TestOneProcessSweeps shows that the others of a fleet ask in vain.
func TestOneProcessSweeps(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := within(t, patience)
		client := producerOf(t, rdb, ClientOptions{})
		now := time.Now()
		c := sweeper(rdb, 0)
		for i := range 2 {
			if err := client.Enqueue(ctx, Target{}, "a"); err != nil {
				t.Fatal(err)
			}
			abandon(t, rdb, Target{}.normal(), now.Add(-time.Minute))
			c.sweepOnce(ctx, now.Add(time.Duration(i)*100*time.Millisecond))
		}
		if n := c.Stats().Swept; n != 1 {
			t.Errorf("swept %d within 100 ms, want 1", n)
		}
		c.sweepOnce(ctx, now.Add(sweepEvery))
		if n := c.Stats().Swept; n != 2 {
			t.Errorf("swept %d, want 2", n)
		}
		// A guard from a clock that runs ahead does not stop it for long.
		rdb.Set(ctx, Key(0, "sweep"), now.Add(time.Hour).UnixMilli(), 0)
		abandon(t, rdb, Target{}.normal(), now.Add(-time.Minute))
		c.sweepOnce(ctx, now.Add(2*sweepEvery))
		if n := c.Stats().Swept; n != 3 {
			t.Errorf("swept %d, want 3", n)
		}
	})
}

// TestSweepClearsLeftovers is asynq's trap of orphaned active tasks (#1144) and
// of a message that nobody can decode (PR 1140).
func TestSweepClearsLeftovers(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := within(t, patience)
		target := Target{}.normal()
		k := keysOf(target)
		old := float64(time.Now().Add(-time.Minute).Unix())
		// An entry without a task.
		rdb.LPush(ctx, k.active, "orphan")
		rdb.ZAdd(ctx, k.lease, redis.Z{Score: old, Member: "orphan"})
		// A task that is no task.
		rdb.HSet(ctx, k.taskPrefix+"garbage", "msg", "\xff\xff", "state", "active")
		rdb.LPush(ctx, k.active, "garbage")
		rdb.ZAdd(ctx, k.lease, redis.Z{Score: old, Member: "garbage"})
		if err := producerOf(t, rdb, ClientOptions{}).Enqueue(ctx, target, "good"); err != nil {
			t.Fatal(err)
		}
		c := sweeper(rdb, 0)
		now := time.Now()
		for i := range sweepTries + 2 {
			c.sweepOnce(ctx, now.Add(time.Duration(i)*sweepEvery))
			// A worker fetches it, and asynq can't decode it.
			if i == 0 {
				if got := rdb.LIndex(ctx, k.pending, -1).Val(); got != "garbage" {
					t.Fatalf("%q is next", got)
				}
			}
			if rdb.LIndex(ctx, k.pending, -1).Val() == "garbage" {
				abandon(t, rdb, target, now.Add(-time.Minute))
			}
		}
		if n := rdb.Exists(ctx, k.active, k.lease, k.taskPrefix+"garbage", k.taskPrefix+"orphan").Val(); n != 0 {
			t.Errorf("%d keys are left", n)
		}
		if got := pending(t, rdb, target); len(got) != 1 || !slices.Equal(got[0].IDs, []string{"good"}) {
			t.Errorf("pending = %v", got)
		}
	})
}

// TestRetriesAreNeverDropped sets a bundle aside more often than one of dead
// workers would be put back.
func TestRetriesAreNeverDropped(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := within(t, patience)
		target := Target{}.normal()
		k := keysOf(target)
		if err := producerOf(t, rdb, ClientOptions{}).Enqueue(ctx, target, "a"); err != nil {
			t.Fatal(err)
		}
		c := sweeper(rdb, 0)
		now := time.Now()
		for i := range 3 * sweepTries {
			at := now.Add(time.Duration(i) * sweepEvery)
			id := rdb.RPop(ctx, k.pending).Val()
			rdb.ZAdd(ctx, k.retry, redis.Z{Score: float64(at.Unix()), Member: id})
			c.sweepOnce(ctx, at)
			if got := pending(t, rdb, target); len(got) != 1 {
				t.Fatalf("round %d: pending = %v", i, got)
			}
		}
	})
}

// TestLivingWorkersBundleIsNotSwept keeps a handler busy for longer than a dead
// worker's lease is waited for.
func TestLivingWorkersBundleIsNotSwept(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		t.Parallel()
		in := newInbox()
		started, release := make(chan struct{}, 10), make(chan struct{})
		opts := ConsumerOptions{Handler: func(ctx context.Context, b Bundle) error {
			started <- struct{}{}
			<-release
			return in.handle(ctx, b)
		}}
		c := consume(t, rdb, opts)
		other := consume(t, rdb, opts)
		if err := producerOf(t, rdb, ClientOptions{}).Enqueue(within(t, patience), Target{}, "a"); err != nil {
			t.Fatal(err)
		}
		<-started
		time.Sleep(11 * time.Second) // two heartbeats: the time is what is tested
		close(release)
		in.has(t, "a")
		if n := c.Stats().Swept + other.Stats().Swept; n != 0 || len(started) != 0 {
			t.Errorf("swept %d times", n)
		}
	})
}
