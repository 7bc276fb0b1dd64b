package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"paragon/engine/servicetest"
)

// The goroutines of a toxiproxy whose link was cut in the middle end when their
// buffers do, which nobody can wait for.
func TestMain(m *testing.M) {
	LogRedis(quiet())
	servicetest.Main(m,
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/stream.(*ChanWriter).Write"))
}

// patience is how long a test waits for what must happen; it never waits that
// long when all is well.
const patience = 30 * time.Second

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// connect makes a client as production does.
func connect(t testing.TB, addr string) redis.UniversalClient {
	t.Helper()
	return connectWith(t, addr, RedisOptions{})
}

func connectWith(t testing.TB, addr string, opts RedisOptions) redis.UniversalClient {
	t.Helper()
	rdb, err := NewRedis("redis://"+addr, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

// onBoth runs a test on miniredis and on a real Redis.
func onBoth(t *testing.T, f func(t *testing.T, rdb redis.UniversalClient)) {
	t.Run("miniredis", func(t *testing.T) {
		m, err := miniredis.Run()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Close)
		f(t, connect(t, m.Addr()))
	})
	t.Run("redis", func(t *testing.T) { f(t, connect(t, servicetest.Redis(t))) })
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// inbox is a handler that collects what is delivered.
type inbox struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each delivery
	count   map[string]int
	bundles []Bundle
	// fail, when set, decides about each delivery before it counts.
	fail func(Bundle) error
}

func newInbox() *inbox {
	return &inbox{changed: make(chan struct{}), count: make(map[string]int)}
}

func (i *inbox) handle(_ context.Context, b Bundle) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.fail != nil {
		if err := i.fail(b); err != nil {
			return err
		}
	}
	for _, id := range b.IDs {
		i.count[id]++
	}
	i.bundles = append(i.bundles, b)
	close(i.changed)
	i.changed = make(chan struct{})
	return nil
}

// until waits for a state of the inbox.
func (i *inbox) until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		i.mu.Lock()
		done, changed := ok(), i.changed
		i.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			i.mu.Lock()
			defer i.mu.Unlock()
			t.Fatalf("%s: did not happen within %v; have %d ids in %d bundles", what, patience, len(i.count), len(i.bundles))
		}
	}
}

func (i *inbox) has(t testing.TB, ids ...string) {
	t.Helper()
	i.until(t, fmt.Sprintf("delivery of %d ids", len(ids)), func() bool {
		for _, id := range ids {
			if i.count[id] == 0 {
				return false
			}
		}
		return true
	})
}

// consume starts a consumer that ends with the test.
func consume(t testing.TB, rdb redis.UniversalClient, opts ConsumerOptions) *Consumer {
	t.Helper()
	if opts.Lanes == nil {
		opts.Lanes = []int{0}
	}
	if opts.Log == nil {
		opts.Log = quiet()
	}
	c := NewConsumer(rdb, opts)
	if err := c.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(within(t, patience)); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stop the consumer: %v", err)
		}
	})
	return c
}

func producerOf(t testing.TB, rdb redis.UniversalClient, opts ClientOptions) *Client {
	t.Helper()
	c := NewClient(rdb, opts)
	t.Cleanup(func() { c.Stop(within(t, patience)) })
	return c
}

// eventually waits for something that sends no signal to us, such as a key of
// another party in Redis.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: did not happen within %v", what, patience)
}

// idle waits until every queue of the consumer is held.
func idle(t testing.TB, c *Consumer) {
	t.Helper()
	eventually(t, "an idle consumer", func() bool {
		return c.bells.up.Load() && c.Stats().Empty >= int64(len(c.views))
	})
}

func ids(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s-%06d", prefix, i)
	}
	return out
}
