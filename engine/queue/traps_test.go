package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"paragon/engine/servicetest"
)

// The traps of asynq v0.26.0 that the queue is responsible for. The others are
// shown out of elsewhere: dead workers, orphans, undecodable messages and living
// workers in sweep_test.go; lost replies, a lost Done and the spinning fetch
// loop in faults_test.go; whole seconds in timers_test.go; warnings about Redis'
// settings in check_test.go; pool sizes and repetitions in redis_test.go.

// TestTrapPayload: asynq's heartbeater rewrites every payload in flight every
// 5 s. Ours are ids only, and the registry is not written at all.
func TestTrapPayload(t *testing.T) {
	rdb := connect(t, servicetest.Redis(t))
	ctx := within(t, patience)
	entered, release := make(chan struct{}), make(chan struct{})
	consume(t, rdb, ConsumerOptions{Handler: func(context.Context, Bundle) error {
		close(entered)
		<-release
		return nil
	}})
	if err := producerOf(t, rdb, ClientOptions{}).Enqueue(ctx, Target{}, "01JC0000000000000000000000"); err != nil {
		t.Fatal(err)
	}
	<-entered
	k := keysOf(Target{})
	id := rdb.LIndex(ctx, k.active, 0).Val()
	if n := rdb.HStrLen(ctx, k.taskPrefix+id, "msg").Val(); n > 120 {
		t.Errorf("a bundle of one id takes %d bytes", n)
	}
	close(release)
	eventually(t, "completion", func() bool { return rdb.Exists(ctx, k.active).Val() == 0 })
	for _, pattern := range []string{"asynq:servers*", "asynq:workers*"} {
		if keys := rdb.Keys(ctx, pattern).Val(); len(keys) != 0 {
			t.Errorf("asynq's registry is written: %v", keys)
		}
	}
	if n := rdb.PubSubNumSub(ctx, "asynq:cancel").Val()["asynq:cancel"]; n != 0 {
		t.Errorf("%d connections for cancelations", n)
	}
}

// TestTrapActiveList: completion scans the active list, so it must stay short.
func TestTrapActiveList(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := within(t, patience)
		entered, release := make(chan struct{}, 100), make(chan struct{})
		in := newInbox()
		c := consume(t, rdb, ConsumerOptions{Concurrency: 3, Handler: func(ctx context.Context, b Bundle) error {
			entered <- struct{}{}
			<-release
			return in.handle(ctx, b)
		}})
		client := producerOf(t, rdb, ClientOptions{MaxBundle: 1})
		all := ids("a", 50)
		if err := client.Enqueue(ctx, Target{}, all...); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			<-entered
		}
		if n := rdb.LLen(ctx, keysOf(Target{}).active).Val(); n != 3 || c.Stats().Bundles != 3 {
			t.Errorf("%d bundles are active", n)
		}
		close(release)
		in.has(t, all...)
	})
}

// TestTrapArchive: a task without retries left would be archived, its id taken,
// and the archive drops what is oldest. Bundles always have retries left.
func TestTrapArchive(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		if err := producerOf(t, rdb, ClientOptions{}).Enqueue(within(t, patience), Target{}, "a"); err != nil {
			t.Fatal(err)
		}
		tasks, err := asynq.NewInspectorFromRedisClient(rdb).ListPendingTasks(queueName(Target{}))
		if err != nil || len(tasks) != 1 {
			t.Fatalf("%d tasks, %v", len(tasks), err)
		}
		if got := tasks[0]; got.MaxRetry != maxRetry || got.Retention != 0 || got.Retried != 0 {
			t.Errorf("MaxRetry %d, Retention %v", got.MaxRetry, got.Retention)
		}
	})
}

// leases notes the lease that asynq asks for with each dequeue, and how much of
// it is left when the task comes.
type leases struct {
	redis.UniversalClient
	mu   sync.Mutex
	left []time.Duration
}

func (l *leases) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	cmd := l.UniversalClient.EvalSha(ctx, sha, keys, args...)
	if len(keys) == 4 && cmd.Err() == nil {
		l.mu.Lock()
		l.left = append(l.left, time.Until(time.Unix(args[0].(int64), 0)))
		l.mu.Unlock()
	}
	return cmd
}

// TestTrapStaleLease: asynq takes the time of a task's lease before it asks for
// the task. Had the poll been held in between, the lease would be old, or over.
func TestTrapStaleLease(t *testing.T) {
	t.Parallel()
	rdb := connect(t, servicetest.Redis(t))
	l := &leases{UniversalClient: rdb}
	in := newInbox()
	c := consume(t, l, ConsumerOptions{Handler: in.handle, Safety: time.Hour})
	client := producerOf(t, rdb, ClientOptions{})
	for _, id := range ids("a", 3) { // the first sends the script in full
		idle(t, c)
		time.Sleep(2500 * time.Millisecond) // the poll is held for so long
		if err := client.Enqueue(within(t, patience), Target{}, id); err != nil {
			t.Fatal(err)
		}
		in.has(t, id)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.left) == 0 {
		t.Fatal("asynq's dequeue is not what it was")
	}
	for _, left := range l.left {
		if left < 28500*time.Millisecond { // 30 s, cut to whole seconds
			t.Errorf("a lease had %v left when its task came", left)
		}
	}
}

// TestTrapChangedScript: if asynq's dequeue takes another shape, its polling
// goes on, at asynq's pace and not at that of a loop that expects to be held.
func TestTrapChangedScript(t *testing.T) {
	var log strings.Builder
	c := NewConsumer(nil, ConsumerOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
	v := &view{consumer: c, keys: keysOf(Target{}), bell: make(chan struct{}, 1)}
	start := time.Now()
	cmd := v.script([]string{v.keys.pending, v.keys.active}, func() *redis.Cmd { return redis.NewCmdResult(nil, redis.Nil) })
	if d := time.Since(start); !errors.Is(cmd.Err(), redis.Nil) || d < 400*time.Millisecond {
		t.Errorf("answered %v after %v", cmd.Err(), d)
	}
	if !strings.Contains(log.String(), "polled") {
		t.Errorf("log: %s", log.String())
	}
	start = time.Now()
	cmd = v.script([]string{v.keys.pending}, func() *redis.Cmd { return redis.NewCmdResult("task", nil) })
	if d := time.Since(start); cmd.Val() != "task" || d > 100*time.Millisecond {
		t.Errorf("a task was held for %v", d)
	}
}

// TestSubscriptionDown polls at a modest interval while nothing can ring.
func TestSubscriptionDown(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		deaf := &deafClient{UniversalClient: rdb, nowhere: connect(t, "127.0.0.1:1")}
		in := newInbox()
		c := consume(t, deaf, ConsumerOptions{Handler: in.handle, Safety: time.Hour, Poll: 20 * time.Millisecond})
		eventually(t, "some polls", func() bool { return c.Stats().Empty > 12 })
		if err := producerOf(t, rdb, ClientOptions{}).Enqueue(within(t, patience), Target{}, "a"); err != nil {
			t.Fatal(err)
		}
		in.has(t, "a")
		if n := c.Stats().Rings; n != 0 {
			t.Errorf("%d rings were heard", n)
		}
	})
}

type deafClient struct {
	redis.UniversalClient
	nowhere redis.UniversalClient
}

func (d *deafClient) Subscribe(ctx context.Context, channels ...string) *redis.PubSub {
	return d.nowhere.Subscribe(ctx, channels...)
}

// TestAsynqIsQuiet runs through a life with an outage and looks at the log.
func TestAsynqIsQuiet(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	log := slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, string(p))
		return len(p), nil
	}), nil))
	rdb := connect(t, servicetest.Redis(t))
	in := newInbox()
	c := consume(t, rdb, ConsumerOptions{Lanes: Lanes(4), Handler: in.handle, Log: log})
	if err := producerOf(t, rdb, ClientOptions{}).Enqueue(within(t, patience), Target{}, "a"); err != nil {
		t.Fatal(err)
	}
	in.has(t, "a")
	idle(t, c)
	if err := c.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(lines) != 0 {
		t.Errorf("the log of an uneventful life:\n%s", strings.Join(lines, ""))
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestAsynqErrorsAreRare(t *testing.T) {
	var out strings.Builder
	l := &asynqLog{log: slog.New(slog.NewTextHandler(&out, nil))}
	for i := range 100 {
		l.Error(fmt.Sprintf("Dequeue error: %d", i))
		l.Error("cannot subscribe to cancelation channel: x")
		l.Warn("w")
		l.Info("i")
		l.Debug("d")
	}
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
	l.Fatal("must not end the process")
	(&asynqLog{log: slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}))}).Debug("d")
}
