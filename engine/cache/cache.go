package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/seal"
	"paragon/workflows"
)

// ErrEmpty says that nothing has been published to Redis yet.
var ErrEmpty = errors.New("no configuration in Redis yet: an api role publishes it as soon as it reaches Postgres")

// Options configure a Cache.
type Options struct {
	// Keyring opens the data keys of projects. Required.
	Keyring *seal.Keyring
	// Log is where trouble is told; nil is slog.Default.
	Log *slog.Logger
	// Poll is how often the version is looked at, since notices can be lost.
	// Default 1s.
	Poll time.Duration
	// Timeout bounds one exchange with Redis. Default 10s.
	Timeout time.Duration
	// Revisions is how many revisions that are not current stay compiled in
	// memory. Default 512.
	Revisions int
	// Own are workflows of Paragon itself, which every project has and none can
	// change, with their revisions.
	Own map[*workflows.Workflow]int64
}

// Cache is the configuration in memory. Reading it takes no lock and no I/O
// and is safe for concurrent use.
type Cache struct {
	rdb  redis.UniversalClient
	opts Options
	log  *slog.Logger
	snap atomic.Pointer[snapshot]
	past *pastRevisions

	mu          sync.Mutex
	subscribers map[int]func()
	nextSub     int
	stop        context.CancelFunc
	done        chan struct{}

	lastErr atomic.Pointer[error] // of the latest exchange with Redis, nil when it went well
}

// New returns a cache that knows nothing until it is started.
func New(rdb redis.UniversalClient, opts Options) *Cache {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Poll <= 0 {
		opts.Poll = time.Second
	}
	if opts.Timeout <= 0 {
		opts.Timeout = 10 * time.Second
	}
	if opts.Revisions <= 0 {
		opts.Revisions = 512
	}
	c := &Cache{rdb: rdb, opts: opts, log: opts.Log, subscribers: map[int]func(){}, past: newPastRevisions(opts.Revisions)}
	c.snap.Store(emptySnapshot())
	return c
}

// Own returns a workflow of Paragon itself as one of a project, nil when there is
// none of that name. Projects don't list them.
func (c *Cache) Own(project, name string) *Workflow {
	for w, revision := range c.opts.Own {
		if w.Name == name {
			return &Workflow{Workflow: w, Project: project, Revision: revision}
		}
	}
	return nil
}

// Start loads the configuration and follows its changes until Stop. A Redis
// that is away or empty is no error: it is tried again every second, and Ready
// says so meanwhile. Start fails only when ctx is done or when it was called
// before.
func (c *Cache) Start(ctx context.Context) error {
	c.mu.Lock()
	if c.done != nil {
		c.mu.Unlock()
		return errors.New("cache: started twice")
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.stop, c.done = cancel, make(chan struct{})
	c.mu.Unlock()

	// Listening begins when Redis confirms it, which follow answers by loading
	// again: no change falls between loading and listening.
	sub := c.rdb.Subscribe(run, noticeChannel)
	c.refresh(ctx)
	go c.follow(run, sub)
	if err := ctx.Err(); err != nil {
		c.Stop(context.WithoutCancel(ctx))
		return fmt.Errorf("start configuration cache: %w", err)
	}
	return nil
}

// Stop ends following; what is in memory stays readable. It waits for the
// work under way, until ctx is done. It may be called twice.
func (c *Cache) Stop(ctx context.Context) {
	c.mu.Lock()
	stop, done := c.stop, c.done
	c.mu.Unlock()
	if done == nil {
		return
	}
	stop()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (c *Cache) follow(ctx context.Context, sub *redis.PubSub) {
	defer close(c.done)
	defer func() { _ = sub.Close() }()
	// Confirmations come through the channel, too: one after each connection
	// made anew, when notices may have been missed.
	notices := sub.ChannelWithSubscriptions(redis.WithChannelSize(16))
	tick := time.NewTicker(c.opts.Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-notices:
			if !ok {
				notices = nil
				continue
			}
			// Many changes at once are one reload.
			for len(notices) > 0 {
				<-notices
			}
		case <-tick.C:
		}
		c.refresh(ctx)
	}
}

// refresh brings memory to the published version, and tells the subscribers.
func (c *Cache) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	changed, err := c.load(ctx)
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return
	}
	before := c.lastErr.Swap(&err)
	if err != nil && (before == nil || *before == nil || (*before).Error() != err.Error()) && !errors.Is(err, ErrEmpty) {
		c.log.WarnContext(ctx, "configuration can't be read from Redis; going on with what is in memory",
			"version", c.Version(), "error", err)
	}
	if !changed {
		return
	}
	c.log.DebugContext(ctx, "configuration loaded", "version", c.Version())
	c.mu.Lock()
	subscribers := make([]func(), 0, len(c.subscribers))
	for _, f := range c.subscribers {
		subscribers = append(subscribers, f)
	}
	c.mu.Unlock()
	for _, f := range subscribers {
		f()
	}
}

// Subscribe calls f after each change of the configuration, from the cache's
// own goroutine: f must return soon. The returned function ends it.
func (c *Cache) Subscribe(f func()) (unsubscribe func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.nextSub
	c.nextSub++
	c.subscribers[id] = f
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.subscribers, id)
	}
}

// Await returns when memory has a version, or a newer one, or ctx ends. A cache
// that is not running returns at once.
func (c *Cache) Await(ctx context.Context, version int64) {
	changed := make(chan struct{}, 1)
	leave := c.Subscribe(func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	defer leave()
	c.mu.Lock()
	done := c.done
	c.mu.Unlock()
	for done != nil && c.Version() < version {
		select {
		case <-changed:
		case <-done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Ready returns nil when a configuration is in memory, else why not.
func (c *Cache) Ready() error {
	if c.snap.Load().head.generation != "" {
		return nil
	}
	if err := c.lastErr.Load(); err != nil && *err != nil {
		return *err
	}
	return ErrEmpty
}

// Version is the configuration version in memory; 0 for none.
func (c *Cache) Version() int64 { return c.snap.Load().head.version }

// Project returns a project, nil for an unknown one. It is one atomic load and
// a map read.
func (c *Cache) Project(name string) *Project { return c.snap.Load().projects[name] }

// Projects returns all projects, in no order.
func (c *Cache) Projects() []*Project {
	snap := c.snap.Load()
	list := make([]*Project, 0, len(snap.projects))
	for _, p := range snap.projects {
		list = append(list, p)
	}
	return list
}

// Key returns the API key, of any project, whose token has the SHA-256 hash,
// or nil.
func (c *Cache) Key(hash [32]byte) *Key { return c.snap.Load().keys[hash] }

// Seal encrypts a text of a project under its data key, bound to what
// associated says; Open needs the same.
func (c *Cache) Seal(project string, plaintext []byte, associated string) ([]byte, error) {
	key, err := c.dataKey(project)
	if err != nil {
		return nil, err
	}
	return key.Seal(plaintext, "execution", associated)
}

// Open is the reverse of Seal.
func (c *Cache) Open(project string, sealed []byte, associated string) ([]byte, error) {
	key, err := c.dataKey(project)
	if err != nil {
		return nil, err
	}
	return key.Open(sealed, "execution", associated)
}

func (c *Cache) dataKey(project string) (*seal.DataKey, error) {
	p := c.Project(project)
	if p == nil {
		return nil, fmt.Errorf("project %s is not known here", project)
	}
	if p.dataKey == nil {
		return nil, fmt.Errorf("the data key of project %s can't be opened: check the master key", project)
	}
	return p.dataKey, nil
}
