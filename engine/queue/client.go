package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// The errors of Enqueue that callers tell apart.
var (
	// ErrUnavailable says that Redis did not answer in time. The ids may be in
	// the queue nevertheless; enqueueing them again delivers them twice at
	// worst.
	ErrUnavailable = errors.New("queue: Redis does not answer")
	// ErrStopped says that Stop was called.
	ErrStopped = errors.New("queue: client is stopped")
)

// ClientOptions set the limits of a Client; the zero value is good.
type ClientOptions struct {
	// MaxBundle is the number of ids in one bundle at most; 0 is 128. What one
	// bundle carries is started by one worker.
	MaxBundle int
	// RetryFor is how long an enqueue is repeated while Redis does not answer;
	// 0 is 3 s. A repetition does not put ids in twice.
	RetryFor time.Duration
}

// Client puts ids into queues. Its methods are safe for concurrent use.
//
// Concurrent calls for one target share round trips as in a group commit: one
// enqueue is in flight, and what gathers meanwhile goes with the next as one
// bundle. A call that finds nothing in flight goes out at once.
type Client struct {
	producer *producer
	opts     ClientOptions
	ctx      context.Context
	cancel   context.CancelFunc

	mu      sync.Mutex
	groups  map[Target]*group
	stopped bool
	flights sync.WaitGroup

	bundles, ids atomic.Int64
}

// group is what waits for one target.
type group struct {
	mu      sync.Mutex
	waiting []*ticket
	flying  bool
}

// ticket is one call of Enqueue.
type ticket struct {
	ids  []string
	done chan error
}

// maxFlight bounds the ids of one round trip, and with it the time that Redis
// is busy with it.
const maxFlight = 8192

// NewClient makes a Client on rdb, which stays the caller's. It should not
// repeat commands by itself (NewRedis' does not).
func NewClient(rdb redis.UniversalClient, opts ClientOptions) *Client {
	if opts.MaxBundle <= 0 {
		opts.MaxBundle = 128
	}
	if opts.RetryFor <= 0 {
		opts.RetryFor = 3 * time.Second
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Client{
		producer: newProducer(rdb),
		opts:     opts,
		ctx:      ctx,
		cancel:   cancel,
		groups:   make(map[Target]*group),
	}
}

// Enqueue puts ids at the end of a queue and returns once they are in Redis.
// Ids of one call stay in order, and together if they fit in a bundle. An id
// must not be empty or hold a line break. After ErrUnavailable, or when ctx
// ends, the ids may be in or not.
func (c *Client) Enqueue(ctx context.Context, t Target, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	t = t.normal()
	if err := t.check(); err != nil {
		return err
	}
	if err := checkIDs(ids); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	g, err := c.group(t)
	if err != nil {
		return err
	}
	k := &ticket{ids: ids, done: make(chan error, 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, k)
	lead := !g.flying
	g.flying = true
	g.mu.Unlock()
	if lead {
		go c.fly(t, g)
	} else {
		c.flights.Done()
	}
	select {
	case err := <-k.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// EnqueueAfter puts ids at the end of a queue by the very round trip that what
// before adds goes by, and after it. It is for callers that group calls
// themselves: it neither groups nor repeats. When it fails, what before added
// may have been done or not; enqueueing the ids again delivers them twice at
// worst. All keys that before touches must be of the target's lane.
func (c *Client) EnqueueAfter(ctx context.Context, t Target, ids []string, before func(redis.Pipeliner)) error {
	t = t.normal()
	if err := t.check(); err != nil {
		return err
	}
	if err := checkIDs(ids); err != nil {
		return err
	}
	var parcels []*parcel
	for rest := ids; len(rest) > 0; {
		n := min(len(rest), c.opts.MaxBundle)
		parcels = append(parcels, newParcel(rest[:n]))
		rest = rest[n:]
	}
	if err := c.producer.try(ctx, t, parcels, false, before); err != nil {
		return fmt.Errorf("queue: enqueue in %s: %w", t, err)
	}
	c.ids.Add(int64(len(ids)))
	c.bundles.Add(int64(len(parcels)))
	return nil
}

// group finds the group of a target and reserves a flight.
func (c *Client) group(t Target) (*group, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return nil, ErrStopped
	}
	g := c.groups[t]
	if g == nil {
		g = &group{}
		c.groups[t] = g
	}
	c.flights.Add(1)
	return g, nil
}

// fly sends what waits until nothing does.
func (c *Client) fly(t Target, g *group) {
	defer c.flights.Done()
	for {
		g.mu.Lock()
		n := 0
		for ids := 0; n < len(g.waiting) && ids < maxFlight; n++ {
			ids += len(g.waiting[n].ids)
		}
		if n == 0 {
			g.flying = false
			g.mu.Unlock()
			return
		}
		tickets := g.waiting[:n:n]
		if n == len(g.waiting) {
			g.waiting = nil
		} else {
			g.waiting = g.waiting[n:]
		}
		g.mu.Unlock()
		c.deliver(t, tickets)
	}
}

// deliver sends the tickets' ids in one round trip and answers them.
func (c *Client) deliver(t Target, tickets []*ticket) {
	var parcels []*parcel
	// The ids of ticket i are in parcels first[i] to last[i].
	first, last := make([]int, len(tickets)), make([]int, len(tickets))
	var ids []string
	pack := func() {
		if len(ids) > 0 {
			parcels = append(parcels, newParcel(ids))
			ids = ids[:0]
		}
	}
	for i, k := range tickets {
		if len(ids) > 0 && len(ids)+len(k.ids) > c.opts.MaxBundle {
			pack()
		}
		first[i] = len(parcels)
		for rest := k.ids; len(rest) > 0; {
			n := min(len(rest), c.opts.MaxBundle-len(ids))
			ids = append(ids, rest[:n]...)
			rest = rest[n:]
			last[i] = len(parcels)
			if len(ids) == c.opts.MaxBundle {
				pack()
			}
		}
	}
	pack()
	err := c.send(t, parcels)
	c.bundles.Add(int64(len(parcels)))
	for i, k := range tickets {
		if err == nil || allSent(parcels[first[i]:last[i]+1]) {
			c.ids.Add(int64(len(k.ids)))
			k.done <- nil
		} else {
			k.done <- err
		}
	}
}

func allSent(parcels []*parcel) bool {
	for _, p := range parcels {
		if !p.sent {
			return false
		}
	}
	return true
}

// send repeats until all parcels are in, Redis refuses, or time is up.
func (c *Client) send(t Target, parcels []*parcel) error {
	ctx, cancel := context.WithTimeout(c.ctx, c.opts.RetryFor)
	defer cancel()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		err := c.producer.send(ctx, t, parcels)
		if err == nil {
			return nil
		}
		if kindOf(err) == kindFinal {
			return fmt.Errorf("queue: enqueue in %s: %w", t, err)
		}
		if !sleep(ctx, pause/2+rand.N(pause)) {
			if c.ctx.Err() != nil {
				return ErrStopped
			}
			return fmt.Errorf("%w: enqueue in %s: %w", ErrUnavailable, t, err)
		}
	}
}

// Stop refuses further calls and waits for those in flight. When ctx ends
// first, they are given up within the network timeout, and ctx's error is
// returned; their ids may be in or not.
func (c *Client) Stop(ctx context.Context) error {
	c.mu.Lock()
	c.stopped = true
	c.mu.Unlock()
	done := make(chan struct{})
	go func() {
		c.flights.Wait()
		close(done)
	}()
	defer c.cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		c.cancel()
		<-done
		return ctx.Err()
	}
}

// Enqueued counts the ids that were put in, and the bundles that carried them.
func (c *Client) Enqueued() (ids, bundles int64) {
	return c.ids.Load(), c.bundles.Load()
}
