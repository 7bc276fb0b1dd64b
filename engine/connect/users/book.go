package users

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/cache"
)

const (
	// fresh is how long what was read stays in memory: the bound for a notice
	// that was lost. freshMiss is that of what was not there.
	fresh     = 10 * time.Second
	freshMiss = time.Second
	// readTimeout bounds one exchange with Redis.
	readTimeout = 5 * time.Second
	// mostEntries bounds what is in memory of users, keys and credentials, and of
	// tokens that were verified.
	mostEntries = 50_000
)

// Configuration is the part of the configuration cache that users need: it has
// integrations and secrets, and seals what credentials hold.
type Configuration interface {
	Project(name string) *cache.Project
	Seal(project string, plaintext []byte, associated string) ([]byte, error)
	Open(project string, sealed []byte, associated string) ([]byte, error)
}

// BookOptions configure a Book.
type BookOptions struct {
	Redis redis.UniversalClient
	// Config is the configuration. Required.
	Config Configuration
	// Log is where trouble is told; nil is slog.Default.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Book reads users and their credentials: from memory, then from Redis. It is
// safe for concurrent use.
type Book struct {
	rdb    redis.UniversalClient
	config Configuration
	log    *slog.Logger
	now    func() time.Time

	seed maphash.Seed

	mu       sync.Mutex
	entries  map[string]entry
	verified map[[32]byte]verified
	// stale counts the notices by the hash of their key, so that what was read
	// before a notice is not kept after it.
	stale [256]uint64
	// waiting are those who want to know of the next notice of a key.
	waiting map[string][]chan struct{}

	stop context.CancelFunc
	done chan struct{}
}

// entry is what was read of a key.
type entry struct {
	value any // *User, *Credential, *keySet or nil for nothing
	until time.Time
}

// NewBook makes a Book, which reads without Start, too: then a change of
// another process is seen only when what is in memory has become old.
func NewBook(o BookOptions) *Book {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Book{rdb: o.Redis, config: o.Config, log: o.Log, now: o.Now, seed: maphash.MakeSeed(),
		entries: map[string]entry{}, verified: map[[32]byte]verified{}, waiting: map[string][]chan struct{}{}}
}

// Start follows the changes until Stop.
func (b *Book) Start(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done != nil {
		return errors.New("users: started twice")
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b.stop, b.done = cancel, make(chan struct{})
	go b.follow(run, b.rdb.Subscribe(run, noticeChannel), b.done)
	return nil
}

// Stop ends following, and waits for it until ctx is done. It may be called
// twice.
func (b *Book) Stop(ctx context.Context) {
	b.mu.Lock()
	stop, done := b.stop, b.done
	b.mu.Unlock()
	if done == nil {
		return
	}
	stop()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (b *Book) follow(ctx context.Context, sub *redis.PubSub, done chan struct{}) {
	defer close(done)
	defer func() { _ = sub.Close() }()
	notices := sub.ChannelWithSubscriptions(redis.WithChannelSize(4096))
	for {
		select {
		case <-ctx.Done():
			return
		case n, ok := <-notices:
			if !ok {
				return
			}
			switch n := n.(type) {
			case *redis.Message:
				b.forget(n.Payload)
			case *redis.Subscription:
				// A connection made anew: notices may have been missed.
				b.forgetAll()
			}
		}
	}
}

// forget drops what memory has of a key, and tells who waits for it.
func (b *Book) forget(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.entries, key)
	b.stale[maphash.String(b.seed, key)%uint64(len(b.stale))]++
	for _, c := range b.waiting[key] {
		close(c)
	}
	delete(b.waiting, key)
}

func (b *Book) forgetAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.entries)
	for i := range b.stale {
		b.stale[i]++
	}
}

// notice returns a channel that is closed at the next notice of a key; leave
// ends the interest in it.
func (b *Book) notice(key string) (c chan struct{}, leave func()) {
	c = make(chan struct{})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting[key] = append(b.waiting[key], c)
	return c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		list := b.waiting[key]
		for i := range list {
			if list[i] == c {
				list[i] = list[len(list)-1]
				b.waiting[key] = list[:len(list)-1]
				break
			}
		}
		if len(b.waiting[key]) == 0 {
			delete(b.waiting, key)
		}
	}
}

// look is what memory has of a key; ok is false when it must be read.
func (b *Book) look(key string) (value any, ok bool) {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.entries[key]
	if !ok || now.After(e.until) {
		return nil, false
	}
	return e.value, true
}

// value returns what a key holds. It is nil when the key is not there.
func (b *Book) value(ctx context.Context, key string, shard int, parse func(h hash) (any, error)) (any, error) {
	if v, ok := b.look(key); ok {
		return v, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	slot := maphash.String(b.seed, key) % uint64(len(b.stale))
	b.mu.Lock()
	before := b.stale[slot]
	b.mu.Unlock()
	h, err := readHash(ctx, b.rdb, key, shard)
	if err != nil {
		return nil, err
	}
	var value any
	life := freshMiss
	if h.body != "" {
		if value, err = parse(h); err != nil {
			return nil, err
		}
		life = fresh
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stale[slot] != before {
		return value, nil // good for who asked, and perhaps old already
	}
	makeRoom(b.entries)
	b.entries[key] = entry{value, b.now().Add(life)}
	return value, nil
}

// makeRoom removes some entry from a map that is full. Any will do: what is
// still used is read again.
func makeRoom[K comparable, V any](m map[K]V) {
	if len(m) < mostEntries {
		return
	}
	for k := range m {
		delete(m, k)
		return
	}
}
