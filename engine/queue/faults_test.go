package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"paragon/engine/servicetest"
)

// link is a connection to Redis that can be cut and silenced.
type link struct {
	proxy *toxiproxy.Proxy
	t     testing.TB
}

func newLink(t testing.TB, upstream string) *link {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(server, "redis", "127.0.0.1:0", upstream)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return &link{p, t}
}

func (l *link) cut() { l.proxy.Stop() }

func (l *link) mend() {
	l.t.Helper()
	if err := l.proxy.Start(); err != nil {
		l.t.Fatal(err)
	}
}

// mute lets commands through and swallows the replies.
func (l *link) mute() {
	l.t.Helper()
	_, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(`{"name":"mute","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`))
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *link) unmute() {
	l.t.Helper()
	if err := l.proxy.Toxics.RemoveToxic(context.Background(), "mute"); err != nil {
		l.t.Fatal(err)
	}
}

// load enqueues from several goroutines until stopped, and remembers what was
// acknowledged.
type load struct {
	mu    sync.Mutex
	acked []string
	stop  context.CancelFunc
	wg    sync.WaitGroup
}

func startLoad(c *Client, goroutines, lanes int) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{stop: cancel}
	for g := range goroutines {
		l.wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%d-%d", g, i)
				if err := c.Enqueue(context.Background(), Target{Lane: i % lanes}, id); err != nil {
					sleep(ctx, 10*time.Millisecond)
					continue
				}
				l.mu.Lock()
				l.acked = append(l.acked, id)
				l.mu.Unlock()
			}
		})
	}
	return l
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

func (l *load) grow(t testing.TB, n int) {
	t.Helper()
	want := l.count() + n
	eventually(t, fmt.Sprintf("%d more acknowledged ids", n), func() bool { return l.count() >= want })
}

func (l *load) end() []string {
	l.stop()
	l.wg.Wait()
	return l.acked
}

// TestNothingIsLostOrDoubledWithoutFaults has several workers, one of which is
// stopped in the middle.
func TestNothingIsLostOrDoubledWithoutFaults(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		in := newInbox()
		opts := ConsumerOptions{Lanes: Lanes(2), Handler: in.handle}
		consume(t, rdb, opts)
		leaving := consume(t, rdb, opts)
		l := startLoad(producerOf(t, rdb, ClientOptions{}), 8, 2)
		l.grow(t, 300)
		if err := leaving.Stop(within(t, patience)); err != nil {
			t.Fatal(err)
		}
		consume(t, rdb, opts)
		l.grow(t, 300)
		in.has(t, l.end()...)
		for id, n := range in.count {
			if n != 1 {
				t.Errorf("%s was delivered %d times", id, n)
			}
		}
	})
}

// shortTimeouts make a Redis that does not answer noticed soon.
var shortTimeouts = RedisOptions{Timeout: 300 * time.Millisecond, DialTimeout: 300 * time.Millisecond}

func TestConnectionCuts(t *testing.T) {
	t.Parallel()
	l := newLink(t, servicetest.Redis(t))
	rdb := connectWith(t, l.proxy.Listen, shortTimeouts)
	in := newInbox()
	consume(t, rdb, ConsumerOptions{Lanes: Lanes(2), Handler: in.handle})
	traffic := startLoad(producerOf(t, rdb, ClientOptions{}), 8, 2)
	for range 4 {
		traffic.grow(t, 100)
		l.cut()
		time.Sleep(50 * time.Millisecond) // the length of the outage
		l.mend()
	}
	traffic.grow(t, 100)
	in.has(t, traffic.end()...)
}

// TestRedisKilledAndRestarted relies on the append-only file.
func TestRedisKilledAndRestarted(t *testing.T) {
	t.Parallel()
	r := servicetest.StartRedis(t, servicetest.RedisOptions{})
	rdb := connectWith(t, r.Addr, shortTimeouts)
	in := newInbox()
	consume(t, rdb, ConsumerOptions{Lanes: Lanes(2), Handler: in.handle})
	l := startLoad(producerOf(t, rdb, ClientOptions{}), 8, 2)
	for range 2 {
		l.grow(t, 200)
		r.Restart()
		back := time.Now()
		l.grow(t, 50)
		if d := time.Since(back); d > 5*time.Second {
			t.Errorf("the first ids were accepted %v after Redis was back", d)
		}
	}
	in.has(t, l.end()...)
}

func TestRedisPaused(t *testing.T) {
	t.Parallel()
	r := servicetest.StartRedis(t, servicetest.RedisOptions{})
	rdb := connectWith(t, r.Addr, shortTimeouts)
	in := newInbox()
	consume(t, rdb, ConsumerOptions{Lanes: Lanes(2), Handler: in.handle})
	l := startLoad(producerOf(t, rdb, ClientOptions{RetryFor: 500 * time.Millisecond}), 8, 2)
	l.grow(t, 200)
	r.Pause()
	time.Sleep(3 * time.Second) // the length of the pause
	r.Resume()
	back := time.Now()
	l.grow(t, 200)
	if d := time.Since(back); d > 5*time.Second {
		t.Errorf("ids were accepted %v after Redis was back", d)
	}
	in.has(t, l.end()...)
}

// TestLostDequeueReply is asynq's trap of a task that Redis gave away and
// nobody got. It is back within 10 s: after 7 to 8 s its lease is nobody's, and
// the next sweep comes within 1.9 s. A busy machine gets two seconds more.
func TestLostDequeueReply(t *testing.T) {
	t.Parallel()
	addr := servicetest.Redis(t)
	direct := connect(t, addr)
	l := newLink(t, addr)
	in := newInbox()
	rdb := connectWith(t, l.proxy.Listen, shortTimeouts)
	c := consume(t, rdb, ConsumerOptions{Handler: in.handle, Safety: 2 * time.Second})
	producer := producerOf(t, direct, ClientOptions{})
	idle(t, c)
	// What is sent while the link is mute uses up an open connection, and no new
	// one can greet: with many open, one is left for the dequeue to be lost on.
	open(t, rdb, 8)
	l.mute()
	if err := producer.Enqueue(within(t, patience), Target{}, "a"); err != nil {
		t.Fatal(err)
	}
	k := keysOf(Target{})
	eventually(t, "a dequeue whose reply is lost", func() bool { return direct.LLen(context.Background(), k.active).Val() == 1 })
	since := time.Now()
	l.cut()
	l.unmute()
	l.mend()
	in.has(t, "a")
	if d := time.Since(since); d > 12*time.Second {
		t.Errorf("the bundle was delivered after %v; want 10s, and 12s on a busy machine", d)
	} else {
		t.Logf("delivered after %v", d)
	}
}

// open has a client keep n open connections.
func open(t *testing.T, rdb redis.UniversalClient, n int) {
	t.Helper()
	client, ok := rdb.(*redis.Client)
	if !ok {
		t.Fatalf("%T has no connections to take", rdb)
	}
	for range n {
		conn := client.Conn()
		defer conn.Close() // all are open before the first goes back
		if err := conn.Ping(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLostDoneReply cuts the line while the handler works: asynq never sends a
// failed completion again (its context is over by then), so the bundle is
// delivered a second time and leaves nothing behind.
func TestLostDone(t *testing.T) {
	t.Parallel()
	addr := servicetest.Redis(t)
	direct := connect(t, addr)
	l := newLink(t, addr)
	in := newInbox()
	var once sync.Once
	consume(t, connectWith(t, l.proxy.Listen, shortTimeouts), ConsumerOptions{Handler: func(ctx context.Context, b Bundle) error {
		once.Do(l.cut)
		return in.handle(ctx, b)
	}})
	if err := producerOf(t, direct, ClientOptions{}).Enqueue(within(t, patience), Target{}, "a"); err != nil {
		t.Fatal(err)
	}
	in.has(t, "a")
	eventually(t, "an active entry", func() bool { return direct.LLen(context.Background(), keysOf(Target{}).active).Val() == 1 })
	time.Sleep(time.Second) // the completion fails meanwhile
	l.mend()
	in.until(t, "the second delivery", func() bool { return in.count["a"] == 2 })
	eventually(t, "an empty queue", func() bool {
		keys, err := direct.Keys(context.Background(), "asynq:*:t:*").Result()
		return err == nil && len(keys) == 0
	})
}

// attempts counts scripts that are sent.
type attempts struct {
	redis.UniversalClient
	n atomic.Int64
}

func (a *attempts) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	a.n.Add(1)
	return a.UniversalClient.EvalSha(ctx, sha, keys, args...)
}

// TestRedisAwayDoesNotSpin is asynq's trap of PR 1058.
func TestRedisAwayDoesNotSpin(t *testing.T) {
	t.Parallel()
	r := servicetest.StartRedis(t, servicetest.RedisOptions{})
	a := &attempts{UniversalClient: connectWith(t, r.Addr, shortTimeouts)}
	in := newInbox()
	c := consume(t, a, ConsumerOptions{Handler: in.handle})
	idle(t, c)
	r.Kill()
	eventually(t, "notice of the absence", c.isAway.Load)
	before := a.n.Load()
	time.Sleep(3 * time.Second) // what is counted
	// Three queues; 50 ms doubling to 1 s makes about six each in 3 s, asynq's
	// own recoverer aside.
	if n := a.n.Load() - before; n > 40 {
		t.Errorf("%d attempts in 3 s", n)
	}
	r.Restart()
	if err := producerOf(t, connect(t, r.Addr), ClientOptions{}).Enqueue(within(t, patience), Target{}, "a"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	in.has(t, "a")
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("fetched %v after Redis was back", d)
	}
}

// TestStopWithRedisAway shows that a process can always end.
func TestStopWithRedisAway(t *testing.T) {
	t.Parallel()
	r := servicetest.StartRedis(t, servicetest.RedisOptions{})
	c := consume(t, connectWith(t, r.Addr, shortTimeouts), ConsumerOptions{Lanes: Lanes(2), Handler: newInbox().handle})
	idle(t, c)
	r.Pause()
	defer r.Resume()
	c.ringAll() // so that fetches are under way
	start := time.Now()
	if err := c.Stop(within(t, 10*time.Second)); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("Stop took %v", d)
	}
}
