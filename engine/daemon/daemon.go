package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/cache"
	"paragon/engine/config"
	"paragon/engine/connect"
	"paragon/engine/connect/enrol"
	"paragon/engine/connect/proxy/later"
	"paragon/engine/connect/users"
	"paragon/engine/destination"
	"paragon/engine/execution"
	"paragon/engine/httpapi"
	"paragon/engine/identity"
	"paragon/engine/logs"
	"paragon/engine/outbound"
	"paragon/engine/payload"
	"paragon/engine/queue"
	"paragon/engine/schedule"
	"paragon/engine/seal"
	"paragon/engine/stats"
	"paragon/engine/store"
	"paragon/engine/tracing"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
	"paragon/workflows/exchange"
	"paragon/workflows/function"
	"paragon/workflows/steps"
)

// Options are what a process is made of.
type Options struct {
	Roles []Role
	// Store is the SQL store; nil where no role needs one.
	Store store.Store
	Redis redis.UniversalClient
	// Lanes is the number of lanes: the same in all processes of an
	// installation. Default 4.
	Lanes   int
	Keyring *seal.Keyring
	// Identity is the OpenID provider by which people may log in; nil: none.
	Identity *identity.Provider
	// Listener is where the API listens.
	Listener net.Listener
	// PublicURL is where browsers reach the API, without a slash at its end.
	// Default: http, or with TLS https, and the listener's address.
	PublicURL string
	// TLS, when set, makes the API speak HTTPS with this certificate alone.
	TLS *tls.Config
	// Durable makes every run durable in the store, and each checkpoint too, as
	// dev does, whose Redis ends with it. It needs all roles.
	Durable bool
	// Payloads keeps large values of runs; nil: they stay in Redis and SQL.
	Payloads *payload.Store
	// LogLimit is how many bytes of log may wait in Redis. Default 1 GiB.
	LogLimit int64
	// Keep is for how long the role flusher keeps history. Default for ever.
	Keep logs.Keep
	// Capacity is how many runs the worker executes at once.
	Capacity int
	// Drain bounds how long attempts under way may go on at shutdown. Default
	// 25s.
	Drain time.Duration
	// Linger is how long the API still answers after /readyz has begun to say
	// that the process stops: time for those in front of it to look elsewhere.
	// Without the role api it means nothing. Default 0.
	Linger time.Duration
	// Limits are those of what comes in.
	Limits httpapi.Limits
	// Outbound are the limits of what leaves.
	Outbound outbound.Settings
	// Mail is the mail server by which destinations get e-mail; it is for the
	// role scheduler.
	Mail destination.Mail
	// Performers replace those of steps.New, by kind: for benchmarks.
	Performers map[workflows.StepKind]steps.Performer
	Version    api.Version
	// Tracer records requests and runs; nil records nothing. It is the caller's
	// to stop, after the daemon.
	Tracer *tracing.Tracer
	// Now is the clock by which runs are accepted, executed and woken. Default
	// time.Now.
	Now func() time.Time
	Log *slog.Logger
}

// Daemon is a running process.
type Daemon struct {
	opts Options
	log  *slog.Logger

	config    *config.Service
	cache     *cache.Cache
	book      *users.Book
	users     *users.Service
	lender    *users.Lender
	tokens    *exchange.Client
	enrol     *enrol.Service
	enrolled  *enrol.Directory
	queue     *queue.Client
	service   *execution.Service
	rebuilder *execution.Rebuilder
	operator  *execution.Operator
	stats     *stats.Recorder
	roller    *stats.Roller
	looker    *stats.Looker
	numbers   *stats.View
	flusher   *logs.Flusher
	retention *logs.Retention
	keeper    *execution.Keeper
	cron      *schedule.Scheduler
	worker    *execution.Worker
	outbound  *exchange.Client
	sender    *sending
	told      *destination.Service
	connect   *connect.Connect
	proxy     *proxying
	sandbox   *function.Sandbox
	http      *http.Server
	served    chan error

	draining atomic.Bool
}

// Start starts the process: what others depend on first, the doors last.
func Start(ctx context.Context, opts Options) (*Daemon, error) {
	if opts.Lanes <= 0 {
		opts.Lanes = DefaultLanes
	}
	if opts.LogLimit <= 0 {
		opts.LogLimit = 1 << 30
	}
	if opts.Drain <= 0 {
		opts.Drain = 25 * time.Second
	}
	d := &Daemon{opts: opts, log: opts.Log, served: make(chan error, 1)}
	if err := d.start(ctx); err != nil {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return nil, errors.Join(err, d.Stop(stop))
	}
	return d, nil
}

// LargestInput bounds the body of a trigger, in bytes, where large values are
// kept in object storage.
const LargestInput = 16 << 20

// DefaultLanes is the number of lanes when none is given.
const DefaultLanes = 4

func (d *Daemon) has(r Role) bool { return slices.Contains(d.opts.Roles, r) }

func (d *Daemon) start(ctx context.Context) error {
	o := &d.opts
	c := cache.New(o.Redis, cache.Options{Keyring: o.Keyring, Log: d.log, Own: map[*workflows.Workflow]int64{later.Workflow(): later.Revision}})
	if d.has(RoleAPI) {
		svc := config.New(config.Options{Store: o.Store, Redis: o.Redis, Keyring: o.Keyring, Identity: o.Identity, Log: d.log, Published: c.Await})
		if err := svc.Start(ctx); err != nil {
			return fmt.Errorf("start the configuration service: %w", err)
		}
		d.config = svc
		if err := svc.EnsureProject(ctx, schema.DefaultProject); err != nil {
			return fmt.Errorf("create the first project: %w", err)
		}
	}
	if err := c.Start(ctx); err != nil {
		return fmt.Errorf("start the configuration cache: %w", err)
	}
	d.cache = c
	if err := d.startUsers(ctx); err != nil {
		return err
	}
	d.queue = queue.NewClient(o.Redis, queue.ClientOptions{})
	d.stats = stats.NewRecorder(o.Redis, nil, d.log)
	d.stats.Start(ctx)
	if err := d.startRuns(ctx); err != nil {
		return err
	}
	if err := d.startChanging(ctx); err != nil {
		return err
	}
	return d.open()
}

// projects are the names of all projects.
func (d *Daemon) projects() []string {
	var names []string
	for _, p := range d.cache.Projects() {
		names = append(names, p.Name)
	}
	return names
}

// startRuns starts the execution plane.
func (d *Daemon) startRuns(ctx context.Context) error {
	o := &d.opts
	if d.has(RoleFlusher) {
		d.flusher = logs.New(logs.Options{Redis: o.Redis, Lanes: o.Lanes, Store: o.Store, Log: d.log})
	}
	if d.has(RoleAPI) || d.has(RoleScheduler) {
		var runs store.Runs
		var steering store.Steering
		if o.Store != nil {
			runs, steering = o.Store, o.Store
		}
		svc := execution.NewService(execution.ServiceOptions{
			Redis: o.Redis, Lanes: o.Lanes, Config: d.cache, Queue: d.queue, Store: runs, Steering: steering,
			Users: d.enrolled, Paused: d.paused, AlwaysDurable: o.Durable, Settle: d.settle(), Payloads: o.Payloads, LogLimit: o.LogLimit, Now: o.Now, Tracer: o.Tracer, Log: d.log,
		})
		if err := svc.Start(ctx); err != nil {
			return fmt.Errorf("start the run service: %w", err)
		}
		d.service = svc
	}
	if d.has(RoleAPI) {
		d.startProxy(ctx)
		r := execution.NewRebuilder(d.service)
		if err := r.Start(ctx); err != nil {
			return fmt.Errorf("start the rebuilder: %w", err)
		}
		d.rebuilder = r
		d.operator = execution.NewOperator(d.service)
		d.operator.Start(ctx)
		d.roller = stats.NewRoller(o.Redis, d.projects, nil, d.log)
		d.roller.Start(ctx)
		d.numbers = stats.NewView(stats.NewReader(o.Redis), stats.Sources{Queues: d.service.Queues, Workers: d.service.Workers, Glance: d.service.Glance}, nil)
		d.looker = stats.NewLooker(o.Redis, d.numbers, d.log)
		d.looker.Start(ctx)
		d.told = destination.NewService(destination.ServiceOptions{Redis: o.Redis, Config: d.cache, Store: o.Store, Now: o.Now, Log: d.log})
		d.told.Start(ctx)
	}
	if d.has(RoleFlusher) {
		if err := d.flusher.Start(ctx); err != nil {
			return fmt.Errorf("start the flusher: %w", err)
		}
		if !o.Keep.None() || o.Payloads != nil {
			d.retention = logs.NewRetention(logs.RetentionOptions{
				Store: o.Store, Keep: o.Keep, Payloads: o.Payloads, Redis: o.Redis, Lanes: o.Lanes, Now: o.Now, Log: d.log,
			})
			d.retention.Start(ctx)
		}
	}
	if d.has(RoleScheduler) {
		k := execution.NewKeeper(execution.KeeperOptions{Redis: o.Redis, Lanes: o.Lanes, Queue: d.queue, Now: o.Now, Log: d.log})
		if err := k.Start(ctx); err != nil {
			return fmt.Errorf("start the keeper: %w", err)
		}
		d.keeper = k
		s := schedule.New(schedule.Options{Redis: o.Redis, Config: d.cache, Runs: d.service, Users: d.enrolled, Now: o.Now, Log: d.log})
		if err := s.Start(ctx); err != nil {
			return fmt.Errorf("start the cron scheduler: %w", err)
		}
		d.cron = s
		d.startSender(ctx)
	}
	if d.has(RoleWorker) {
		return d.startWorker(ctx)
	}
	return nil
}

func (d *Daemon) startWorker(ctx context.Context) error {
	o := &d.opts
	d.openConnect()
	d.sandbox = function.NewSandbox(0)
	performers := steps.New(d.outbound, d.sandbox, integrations{d.connect})
	d.startProxy(ctx)
	performers[workflows.StepRequest] = d.callsLater(performers[workflows.StepRequest])
	maps.Copy(performers, o.Performers)
	var durably store.Runs
	if o.Durable {
		durably = o.Store
	}
	w := execution.NewWorker(execution.WorkerOptions{
		Redis: o.Redis, Lanes: o.Lanes, Config: d.cache, Queue: d.queue, Store: durably, Settle: d.settle(), Payloads: o.Payloads,
		Users: d.enrolled, Performers: performers, Capacity: o.Capacity, Drain: o.Drain, Stats: d.stats, Now: o.Now, Tracer: o.Tracer, Log: d.log,
	})
	if err := w.Start(ctx); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	d.worker = w
	return nil
}

// settle is how runs get their checkpoints into the store; nil where they
// needn't be there at once.
func (d *Daemon) settle() func(ctx context.Context, lane int) error {
	if !d.opts.Durable || d.flusher == nil {
		return nil
	}
	return d.flusher.Settle
}

// open opens the doors.
func (d *Daemon) open() error {
	o := &d.opts
	handler, err := d.handler()
	if err != nil {
		return err
	}
	d.http = handler
	go func() {
		if o.TLS == nil {
			d.served <- handler.Serve(o.Listener)
			return
		}
		handler.TLSConfig = o.TLS
		d.served <- handler.ServeTLS(o.Listener, "", "")
	}()
	return nil
}

func (d *Daemon) handler() (*http.Server, error) {
	o := httpapi.Options{
		Cache: d.cache, Config: d.config, Checks: d.checks(), Draining: d.draining.Load,
		Metrics: d.metrics(), Version: d.opts.Version, Limits: d.opts.Limits, Tracer: d.opts.Tracer, Log: d.log,
	}
	if d.opts.Payloads != nil && o.Limits.Input == 0 {
		o.Limits.Input = LargestInput
	}
	if d.has(RoleAPI) {
		o.Runs, o.Fleet = d.service, d.service
		o.Users, o.Book, o.Enrol = d.users, d.book, d.enrol
		o.Proxy, o.ProxyCalls = d.proxy.Proxy, d.opts.Store
		o.Stats = d.numbers
		o.Destinations = d.told
	}
	server, err := httpapi.New(o)
	if err != nil {
		return nil, fmt.Errorf("build the API: %w", err)
	}
	return server.HTTPServer(), nil
}

// Failed is closed with an error when the process can't go on by itself.
func (d *Daemon) Failed() <-chan error { return d.served }

// Addr is the address that the API listens on.
func (d *Daemon) Addr() net.Addr { return d.opts.Listener.Addr() }

// Stop stops the process within ctx. This is the order, and why:
//
//  1. readiness goes, so that nobody sends more, and what was sent before that
//     was seen is still answered for a while;
//  2. the doors close: no new trigger, and those being answered end;
//  3. cron and timers stop: nothing new is queued;
//  4. the worker drains: attempts end or are cut short uncounted, every run is
//     given back;
//  5. the run service and the queue client end, which 2 to 4 worked with;
//  6. the flusher writes what all of them logged;
//  7. cache and configuration end, which everything read.
//
// The store and Redis are the caller's, and close last.
func (d *Daemon) Stop(ctx context.Context) error {
	d.draining.Store(true)
	if d.http != nil && d.has(RoleAPI) {
		d.linger(ctx)
	}
	var errs []error
	step := func(name string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", name, err))
		}
	}
	if d.http != nil {
		step("the API", d.http.Shutdown(ctx))
	}
	if d.cron != nil {
		step("cron", d.cron.Stop(ctx))
	}
	if d.sender != nil {
		step("sending to destinations", d.sender.stop(ctx))
	}
	if d.keeper != nil {
		step("the keeper", d.keeper.Stop(ctx))
	}
	if d.worker != nil {
		step("the worker", d.worker.Stop(ctx))
	}
	if d.proxy != nil {
		step("the proxy", d.proxy.stop(ctx))
	}
	step("counting", d.stats.Stop(ctx))
	if d.outbound != nil {
		d.outbound.Close()
	}
	if d.sandbox != nil {
		d.sandbox.Close()
	}
	if d.users != nil {
		d.users.Stop(ctx)
		d.enrol.Shutdown(ctx)
	}
	if d.operator != nil {
		d.operator.Stop()
	}
	if d.told != nil {
		d.told.Stop()
	}
	if d.roller != nil {
		d.roller.Stop()
		d.looker.Stop()
	}
	if d.rebuilder != nil {
		step("the rebuilder", d.rebuilder.Stop(ctx))
	}
	if d.service != nil {
		step("the run service", d.service.Stop(ctx))
	}
	if d.queue != nil {
		step("the queue client", d.queue.Stop(ctx))
	}
	if d.retention != nil {
		d.retention.Stop()
	}
	if d.flusher != nil {
		step("the flusher", d.flusher.Stop(ctx))
	}
	d.stopUsers(ctx)
	if d.cache != nil {
		d.cache.Stop(ctx)
	}
	if d.config != nil {
		d.config.Stop(ctx)
	}
	return errors.Join(errs...)
}

// linger lets Linger pass.
func (d *Daemon) linger(ctx context.Context) {
	timer := time.NewTimer(d.opts.Linger)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// NeedsStore tells whether any of the roles works with the SQL store.
func (o *Options) NeedsStore() bool { return needsStore(o.Roles) }

// Bootstrap makes the first owner key of the default project and returns its
// token; empty when the project has keys already. It needs the role api.
func (d *Daemon) Bootstrap(ctx context.Context) (token string, err error) {
	return d.config.Bootstrap(ctx, schema.DefaultProject)
}
