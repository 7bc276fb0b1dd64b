package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/stats"
	"paragon/schema"
)

// Options are what a Proxy works with.
type Options struct {
	Targets Targets
	// Transport carries the calls: a guarded one that leaves bodies as they are
	// (outbound.NewTransport).
	Transport http.RoundTripper
	// Redis keeps the limits that processes share, and takes the log.
	Redis redis.UniversalClient
	// Lanes is the number of lanes: the log goes to theirs.
	Lanes int
	// LogLimit is how many bytes of log may wait in a lane; above it calls are
	// refused. 0 is no limit.
	LogLimit int64
	// MaxBody bounds the body of a call, and that of an answer, in bytes each.
	// Default 64 MiB.
	MaxBody int64
	// Stopped tells whether nothing is done for a user any more: a body that flows
	// for such a one is cut off. nil: never.
	Stopped func(ctx context.Context, project, user string) (bool, error)
	// Stats counts calls; nil counts nothing.
	Stats *stats.Recorder
	Log   *slog.Logger
	Now   func() time.Time
}

// DefaultMaxBody bounds bodies when Options don't.
const DefaultMaxBody = 64 << 20

// Proxy carries calls. It is safe for concurrent use; Start and Stop it.
type Proxy struct {
	opts    Options
	log     *slog.Logger
	now     func() time.Time
	outlets outlets
	journal *journal

	quit  context.CancelFunc
	loops sync.WaitGroup
}

// New makes a proxy.
func New(opts Options) *Proxy {
	if opts.MaxBody <= 0 {
		opts.MaxBody = DefaultMaxBody
	}
	if opts.Lanes <= 0 {
		opts.Lanes = 1
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	p := &Proxy{opts: opts, log: opts.Log, now: opts.Now}
	p.journal = newJournal(&p.opts)
	return p
}

// MaxBody is the largest body of a call, in bytes.
func (p *Proxy) MaxBody() int64 { return p.opts.MaxBody }

// Start begins to write the log.
func (p *Proxy) Start(ctx context.Context) {
	loop, quit := context.WithCancel(context.WithoutCancel(ctx))
	p.quit = quit
	p.loops.Go(func() { p.journal.follow(loop) })
	p.loops.Go(func() { p.outlets.follow(loop) })
}

// Stop writes what is left of the log, until ctx is done. Calls must have ended.
func (p *Proxy) Stop(ctx context.Context) error {
	if p.quit == nil {
		return nil
	}
	p.quit()
	p.loops.Wait()
	return p.journal.flush(ctx)
}

func problem(status int, typ schema.ProblemType, title, format string, args ...any) *schema.Problem {
	return &schema.Problem{Type: typ, Title: title, Status: status, Detail: fmt.Sprintf(format, args...)}
}
