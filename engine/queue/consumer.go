package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// Bundle is what a handler gets: ids that were enqueued for one target, in
// order.
type Bundle struct {
	Target
	IDs []string
}

// ConsumerOptions say what a Consumer takes and who handles it.
type ConsumerOptions struct {
	// Lanes are the lanes to take from, all priorities of each.
	Lanes []int
	// Handler takes responsibility for a bundle's ids and returns: it should
	// note whose they are and let the work go on elsewhere. Its context ends
	// only when Stop runs out of time. A bundle whose handler failed, panicked
	// or was cut off is delivered again, within seconds; one may also be
	// delivered twice or to two workers.
	Handler func(ctx context.Context, b Bundle) error
	// Ready, when set, is asked before each fetch from a target and blocks
	// while the worker has no room for that priority. Its context ends when
	// fetching does.
	Ready func(ctx context.Context, t Target) error
	// Looked, when set, is told after each fetch from a target whether it got a
	// bundle. One that got none is asked again after a ring, or a while.
	Looked func(t Target, found bool)
	// Concurrency is how many handlers of one target run at once; 0 is 4.
	Concurrency int
	// Safety is how often an empty queue is looked at although nothing rang;
	// 0 is 10 s.
	Safety time.Duration
	// Poll is the same while there is no subscription to be rung by; 0 is
	// 100 ms.
	Poll time.Duration
	// Log gets what an operator should know; nil is slog.Default.
	Log *slog.Logger
}

// Consumer takes bundles from queues as soon as they are there. An empty
// queue costs next to nothing: its fetch is held until an enqueue rings.
//
// Each target has an asynq server of its own, since asynq has one fetch loop a
// server and holding the loop for one empty queue must not hold another.
type Consumer struct {
	rdb   redis.UniversalClient
	opts  ConsumerOptions
	log   *slog.Logger
	views map[Target]*view
	bells *listener
	// nowhere is a client that never connects; see view.Subscribe.
	nowhere *redis.Client

	// fetching ends when no more bundles are wanted, handling when handlers
	// must end, running when everything else must.
	fetching, handling, running       context.Context
	stopFetch, stopHandle, stopRun    context.CancelFunc
	stopping                          chan struct{}
	servers                           []*asynq.Server
	wg                                sync.WaitGroup
	mu                                sync.Mutex
	started, stopped                  bool
	isAway                            atomic.Bool
	unknownOnce                       sync.Once
	bundles, ids, empty, rings, swept atomic.Int64
}

// ConsumerStats count what a Consumer did since it was made.
type ConsumerStats struct {
	// Bundles and IDs were delivered to the handler.
	Bundles, IDs int64
	// Empty fetches found nothing.
	Empty int64
	// Rings ended the wait for an empty queue.
	Rings int64
	// Swept bundles of dead workers, or whose handler had failed, were put back.
	Swept int64
}

// NewConsumer makes a Consumer on rdb, which stays the caller's and should not
// repeat commands by itself (NewRedis' does not). rdb may be an autopipelining
// client.
func NewConsumer(rdb redis.UniversalClient, opts ConsumerOptions) *Consumer {
	if opts.Concurrency <= 0 {
		opts.Concurrency = 4
	}
	if opts.Safety <= 0 {
		opts.Safety = 10 * time.Second
	}
	if opts.Poll <= 0 {
		opts.Poll = 100 * time.Millisecond
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	c := &Consumer{rdb: rdb, opts: opts, log: opts.Log, views: make(map[Target]*view), stopping: make(chan struct{})}
	c.fetching, c.stopFetch = context.WithCancel(context.Background())
	c.handling, c.stopHandle = context.WithCancel(context.Background())
	c.running, c.stopRun = context.WithCancel(context.Background())
	return c
}

// Start begins to fetch. It does not wait for Redis: with Redis away, fetching
// begins when it is back. ctx is not kept. An error says that the options make
// no sense, or that the consumer was started before.
func (c *Consumer) Start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.started || c.stopped:
		return errors.New("queue: consumer was started before")
	case c.opts.Handler == nil:
		return errors.New("queue: consumer has no handler")
	case len(c.opts.Lanes) == 0:
		return errors.New("queue: consumer has no lanes")
	}
	var channels []string
	seen := make(map[int]bool)
	for _, lane := range c.opts.Lanes {
		if lane < 0 || seen[lane] {
			return fmt.Errorf("queue: consumer's lane %d is negative or given twice", lane)
		}
		seen[lane] = true
		channels = append(channels, bellChannel(lane))
	}
	c.nowhere = redis.NewClient(&redis.Options{
		Addr:          "nowhere",
		MaxRetries:    -1,
		DialerRetries: 1,
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("asynq's cancelation channel is not used")
		},
		MaintNotificationsConfig: noMaintenance(),
	})
	lanes := make(map[string]int, len(channels))
	for i, ch := range channels {
		lanes[ch] = c.opts.Lanes[i]
	}
	c.bells = &listener{
		rdb: c.rdb, name: "idle queues", channels: channels, log: c.log,
		heard:   func(ch, msg string) { c.ring(lanes[ch], msg) },
		changed: func() { c.ringAll() },
	}
	logger := &asynqLog{log: c.log}
	for _, t := range Targets(c.opts.Lanes) {
		v := &view{UniversalClient: c.rdb, consumer: c, target: t, keys: keysOf(t), bell: make(chan struct{}, 1)}
		c.views[t] = v
		c.servers = append(c.servers, c.server(v, logger))
	}
	for i, t := range Targets(c.opts.Lanes) {
		err := c.servers[i].Start(asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
			return c.handle(ctx, t, task)
		}))
		if err != nil {
			return fmt.Errorf("queue: start %s: %w", t, err) // no code path of asynq's
		}
	}
	c.started = true
	c.wg.Go(func() { c.bells.run(c.running) })
	c.wg.Go(func() { c.sweep(c.running) })
	return nil
}

// server configures asynq for one target. What asynq does on a timer is set to
// once an hour where it can be, since none of it is used: delayed tasks are
// Timers' (and the sweep's), nothing is retained. Its recoverer can't be set;
// it asks twice a minute and finds what the sweep has left, nothing.
func (c *Consumer) server(v *view, logger asynq.Logger) *asynq.Server {
	return asynq.NewServerFromRedisClient(v, asynq.Config{
		Concurrency: c.opts.Concurrency,
		Queues:      map[string]int{queueName(v.target): 1},
		BaseContext: func() context.Context { return c.handling },
		// The view does the waiting; see there.
		TaskCheckInterval: time.Nanosecond,
		// An error is no failure: asynq must neither count it nor archive.
		IsFailure:                func(error) bool { return false },
		RetryDelayFunc:           func(int, error, *asynq.Task) time.Duration { return time.Second },
		DelayedTaskCheckInterval: time.Hour,
		JanitorInterval:          time.Hour,
		ShutdownTimeout:          time.Minute,
		Logger:                   logger,
		LogLevel:                 asynq.DebugLevel,
	})
}

// handlerTries is how often a handler is called for one delivery. The first
// repetitions follow at once, so that a blink of Redis costs no second; a
// longer absence returns the bundle to the queue.
const handlerTries = 3

func (c *Consumer) handle(ctx context.Context, t Target, task *asynq.Task) error {
	ids, err := decodeBundle(task.Payload())
	if err != nil {
		c.log.Error("a queue holds a bundle that is not ours; it is dropped", "queue", t.String(), "error", err)
		return fmt.Errorf("%w: %w", err, asynq.RevokeTask)
	}
	c.bundles.Add(1)
	c.ids.Add(int64(len(ids)))
	for try := 1; ; try++ {
		err, again := c.call(ctx, Bundle{Target: t, IDs: ids})
		if err == nil {
			return nil
		}
		if !again || try == handlerTries || !sleep(ctx, time.Duration(try*try)*20*time.Millisecond) {
			c.log.Warn("a bundle could not be taken; it is delivered again", "queue", t.String(), "ids", len(ids), "error", err)
			return err
		}
	}
}

// call runs the handler; again says whether another try may help.
func (c *Consumer) call(ctx context.Context, b Bundle) (err error, again bool) {
	defer func() {
		if x := recover(); x != nil {
			c.log.Error("the handler of bundles panicked", "queue", b.Target.String(), "panic", x, "stack", string(debug.Stack()))
			err, again = fmt.Errorf("queue: handler panicked: %v", x), false
		}
	}()
	return c.opts.Handler(ctx, b), true
}

// waitReady waits for room. It tells whether asynq must compute the lease
// again, or ask again.
func (c *Consumer) waitReady(v *view) (stale bool) {
	if c.opts.Ready == nil {
		return false
	}
	start := time.Now()
	if err := c.opts.Ready(c.fetching, v.target); err != nil {
		if c.fetching.Err() != nil {
			return false // dequeue looks itself
		}
		c.log.Warn("asking whether there is room for work failed", "queue", v.target.String(), "error", err)
		v.pause(backoff(v.failures))
		v.failures++
		return true
	}
	v.ready = true
	return time.Since(start) > staleLease
}

// hold keeps asynq's fetch loop still until its server is shut down.
func (c *Consumer) hold() {
	<-c.stopping
	// The loop ends at its next turn; it just must not spin until then.
	time.Sleep(time.Millisecond)
}

func (c *Consumer) ring(lane int, message string) {
	if message == bellAll {
		for _, p := range Priorities() {
			c.ring(lane, string(p))
		}
		return
	}
	if v := c.views[Target{Lane: lane, Priority: Priority(message)}]; v != nil {
		v.ring()
	}
}

func (c *Consumer) ringAll() {
	for _, v := range c.views {
		v.ring()
	}
}

// away and back report once that Redis went and came.
func (c *Consumer) away(t Target, err error) {
	if !c.isAway.Swap(true) {
		c.log.Warn("Redis does not answer; fetching goes on when it does", "queue", t.String(), "error", err)
	}
}

func (c *Consumer) back() {
	if c.isAway.Load() && c.isAway.Swap(false) {
		c.log.Info("Redis answers again")
	}
}

func (c *Consumer) unknown(t Target) {
	c.unknownOnce.Do(func() {
		c.log.Warn("asynq fetches in a way that is not known here; queues are polled about once a second. Try: use the asynq version that go.mod names", "queue", t.String())
	})
}

// Quiesce ends fetching, for good. Bundles that are being fetched at that
// moment are still delivered, and handlers go on.
func (c *Consumer) Quiesce() { c.stopFetch() }

// Stop ends fetching and waits for handlers. When ctx ends first, the handlers'
// context is ended, and Stop returns ctx's error without waiting for those who
// ignore it. What they held is delivered again. Stop may be called twice, and
// without Start.
func (c *Consumer) Stop(ctx context.Context) error {
	c.Quiesce()
	c.mu.Lock()
	idle := c.stopped || !c.started
	c.stopped = true
	c.mu.Unlock()
	if idle {
		c.stopHandle()
		c.stopRun()
		c.wg.Wait()
		return nil
	}
	close(c.stopping)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var wg sync.WaitGroup
		for _, s := range c.servers {
			wg.Go(s.Shutdown)
		}
		wg.Wait()
	}()
	c.stopRun()
	c.wg.Wait()
	defer c.stopHandle()
	defer c.nowhere.Close()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	c.stopHandle()
	// Handlers that heed their context are gone at once, and asynq with them.
	t := time.NewTimer(500 * time.Millisecond)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
	return ctx.Err()
}

// Stats tells what was done so far.
func (c *Consumer) Stats() ConsumerStats {
	return ConsumerStats{Bundles: c.bundles.Load(), IDs: c.ids.Load(), Empty: c.empty.Load(), Rings: c.rings.Load(), Swept: c.swept.Load()}
}
