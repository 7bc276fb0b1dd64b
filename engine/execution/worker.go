package execution

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/cache"
	"paragon/engine/payload"
	"paragon/engine/queue"
	"paragon/engine/stats"
	"paragon/engine/store"
	"paragon/engine/tracing"
	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/steps"
)

// WorkerOptions are what a Worker works with.
type WorkerOptions struct {
	Redis redis.UniversalClient
	// QueueRedis is the client that asynq gets; nil takes Redis.
	QueueRedis redis.UniversalClient
	Lanes      int
	Config     *cache.Cache
	Queue      *queue.Client
	// Performers performs the steps with an outside effect, by kind. The
	// worker performs emit and call itself.
	Performers map[workflows.StepKind]steps.Performer
	// Store, when set, makes the runs that the worker starts durable: for a
	// worker that shares its process with the store and a Redis that ends with
	// it. Settle then returns once the store has a lane's log: what a run did is
	// in the store before it does anything else.
	Store  store.Runs
	Settle func(ctx context.Context, lane int) error
	// Users tells for whom workflows run; nil: for none.
	Users Users
	// Payloads keeps large values; nil: they stay in Redis and SQL.
	Payloads *payload.Store
	// Capacity is how many runs execute at once, not counting as many again whose
	// calls take long. 0 takes DefaultCapacity.
	Capacity int
	// Drain is how long Stop lets attempts under way go on. Default 25s.
	Drain time.Duration
	// ID identifies the worker; default a random one.
	ID  string
	Now func() time.Time
	// Stats counts what the runs do; nil counts nothing.
	Stats *stats.Recorder
	// Tracer records what the runs do; nil records nothing.
	Tracer *tracing.Tracer
	Log    *slog.Logger
}

// Worker executes runs.
type Worker struct {
	opts     WorkerOptions
	log      *slog.Logger
	ledger   *ledger
	intake   *intake
	bus      *bus
	consumer *queue.Consumer
	weights  weights

	mu     sync.Mutex
	room   *sync.Cond // broadcast when a run leaves, or whose turn it is changes
	active map[string]*segment
	stop   bool // no new run is taken
	queues precedence
	// crowding is what takes long of what is active.
	crowding crowding
	trials   trials
	early    early

	// ctx ends when attempts under way must end; runs counts segments, loops
	// the worker's own goroutines.
	ctx    context.Context
	cancel context.CancelCauseFunc
	// writes ends when a checkpoint can't be waited for any longer.
	writes     context.Context
	stopWrites context.CancelFunc
	runs       sync.WaitGroup
	loops      sync.WaitGroup
	crew       crew
	quit       context.CancelFunc
	// leaveConfig ends following the configuration.
	leaveConfig func()
	// beaten is what the latest heartbeat ended with.
	beaten atomic.Pointer[error]
}

// DefaultCapacity is how many runs a worker executes at once unless told
// otherwise: with fewer, less of them share a round trip than could.
const DefaultCapacity = 2000

// lastWrites is how long interrupted runs may try to be given back.
const lastWrites = 3 * time.Second

// errShutdown is the cause of what ends because the worker does.
var errShutdown = errors.New("the worker is shutting down")

// NewWorker makes a worker; Start it to execute runs.
func NewWorker(opts WorkerOptions) *Worker {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Capacity <= 0 {
		opts.Capacity = DefaultCapacity
	}
	if opts.Drain <= 0 {
		opts.Drain = 25 * time.Second
	}
	if opts.ID == "" {
		opts.ID = NewWorkerID()
	}
	if opts.QueueRedis == nil {
		opts.QueueRedis = opts.Redis
	}
	w := &Worker{opts: opts, log: opts.Log.With("worker", opts.ID), active: map[string]*segment{}, queues: newPrecedence()}
	w.room = sync.NewCond(&w.mu)
	w.crew.next = make(chan func())
	w.ledger = newLedger(opts.Redis, opts.Lanes, opts.ID, opts.Now)
	w.ledger.log, w.ledger.settle = w.log, opts.Settle
	w.ledger.weights = w.weights.args
	w.ledger.freed = func(ctx context.Context, ln *lane, jobs []job) error {
		return enqueueJobs(ctx, opts.Queue, ln, jobs)
	}
	w.intake = newIntake(w.ledger, opts.Config, opts.Queue, opts.Store, opts.Store != nil, opts.Now)
	w.intake.tracer, w.intake.users, w.intake.payloads = opts.Tracer, opts.Users, opts.Payloads
	w.bus = &bus{ledger: w.ledger, intake: w.intake, queue: opts.Queue, config: opts.Config, now: opts.Now}
	w.consumer = queue.NewConsumer(opts.QueueRedis, queue.ConsumerOptions{
		Lanes:   queue.Lanes(opts.Lanes),
		Handler: w.take,
		Ready:   w.ready,
		Looked:  w.looked,
		Log:     opts.Log,
	})
	return w
}

// NewWorkerID makes an id for a worker process.
func NewWorkerID() string { return "w" + NewRunID(time.Now(), 0)[1:25] }

// Start begins to execute runs. It returns once the worker is known to the
// others and its queues are open.
func (w *Worker) Start(ctx context.Context) error {
	w.ctx, w.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	w.writes, w.stopWrites = context.WithCancel(context.WithoutCancel(ctx))
	loops, quit := context.WithCancel(context.WithoutCancel(ctx))
	w.quit = quit
	if err := beat(ctx, w.opts.Redis, w.opts.ID); err != nil {
		quit()
		return fmt.Errorf("register worker: %w", err)
	}
	w.leaveConfig = w.weights.follow(w.opts.Config)
	w.loops.Add(4)
	go func() { defer w.loops.Done(); w.keepBeating(loops) }()
	go func() { defer w.loops.Done(); w.followSignals(loops) }()
	go func() { defer w.loops.Done(); w.reconcile(loops) }()
	go func() { defer w.loops.Done(); w.watchCalls(loops) }()
	if err := w.consumer.Start(ctx); err != nil {
		quit()
		w.loops.Wait()
		w.leaveConfig()
		return fmt.Errorf("open the queues: %w", err)
	}
	return nil
}

// Stop drains the worker: it takes no more runs, lets attempts under way end
// within Drain, gives every run back, and leaves. No attempt that it cuts short
// is counted.
func (w *Worker) Stop(ctx context.Context) error {
	w.mu.Lock()
	w.stop = true
	w.room.Broadcast()
	w.mu.Unlock()
	w.consumer.Quiesce()

	drained := make(chan struct{})
	go func() { w.runs.Wait(); close(drained) }()
	limit := time.NewTimer(w.opts.Drain)
	defer limit.Stop()
	select {
	case <-drained:
	case <-limit.C:
	case <-ctx.Done():
	}
	w.cancel(errShutdown)
	grace := time.AfterFunc(lastWrites, w.stopWrites)
	<-drained
	w.crew.wait()
	grace.Stop()
	w.stopWrites()
	err := errors.Join(w.consumer.Stop(ctx), w.intake.stop(ctx), w.ledger.stop(ctx))
	w.quit()
	w.loops.Wait()
	w.leaveConfig()
	w.leave(ctx)
	return err
}

// leave gives back what Redis says the worker still has: runs whose claim was
// never heard of here, or that could not be released. It does not sign off: a
// claim that is still on its way would then belong to nobody for good. The
// keeper takes what there is of a worker that has fallen silent.
func (w *Worker) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	for _, ln := range w.ledger.lanes {
		jobs, err := w.ledger.takeBack(ctx, ln, w.opts.ID, false, 2*w.opts.Capacity)
		if err == nil {
			err = enqueueJobs(ctx, w.opts.Queue, ln, jobs)
		}
		if err != nil {
			w.log.Warn("runs could not be given back; the keeper takes them", "lane", ln.number, "error", err)
			return
		}
	}
}

// Active is how many runs the worker executes now.
func (w *Worker) Active() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.active)
}

// stopping tells whether no new effect may begin.
func (w *Worker) stopping() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stop
}

// ready waits for room for more runs, and for the queues of a higher priority.
func (w *Worker) ready(ctx context.Context, t queue.Target) error {
	release := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		w.room.Broadcast()
		w.mu.Unlock()
	})
	defer release()
	w.mu.Lock()
	defer w.mu.Unlock()
	rank := w.queues.rank(t.Priority)
	w.queues.asking[rank]++
	for (w.taken() >= w.opts.Capacity || w.queues.yields(rank)) && ctx.Err() == nil && !w.stop {
		w.room.Wait()
	}
	w.queues.asking[rank]--
	w.room.Broadcast() // who yielded looks again
	if w.stop {
		return errShutdown
	}
	return ctx.Err()
}

// looked takes what a look at a queue found.
func (w *Worker) looked(t queue.Target, found bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queues.note(t, found) {
		w.room.Broadcast()
	}
}

// take claims as many runs as a bundle names, and begins their segments. The
// bundle is a permit: which runs begin is decided by the turns of the projects,
// so that one with a million queued runs does not keep the others waiting. A
// bundle that finds nothing queued (it was delivered twice) does nothing.
func (w *Worker) take(ctx context.Context, b queue.Bundle) error {
	if b.Lane >= len(w.ledger.lanes) {
		return fmt.Errorf("lane %d is not one of the %d lanes of this worker", b.Lane, len(w.ledger.lanes))
	}
	states, err := w.ledger.claim(ctx, w.ledger.lanes[b.Lane], b.Priority, len(b.IDs))
	if err != nil {
		return err
	}
	if states, err = w.ledger.holdBack(ctx, w.ledger.lanes[b.Lane], states); err != nil {
		return err
	}
	var late []string
	for _, st := range states {
		if !w.begin(st) {
			late = append(late, st.id)
		}
	}
	if len(late) == 0 {
		return nil
	}
	jobs, err := w.ledger.takeBack(ctx, w.ledger.lanes[b.Lane], w.opts.ID, false, len(late), late...)
	if err != nil {
		return err // they are given back at the end
	}
	return enqueueJobs(ctx, w.opts.Queue, w.ledger.lanes[b.Lane], jobs)
}

// begin begins a segment, unless the worker has begun to stop.
func (w *Worker) begin(st *state) bool {
	seg := newSegment(w, st)
	w.mu.Lock()
	if w.stop {
		w.mu.Unlock()
		return false
	}
	w.active[st.id] = seg
	if w.early.take(st.id) {
		seg.nudge()
	}
	w.runs.Add(1)
	w.mu.Unlock()
	w.crew.hand(w.ctx, func() {
		defer w.runs.Done()
		defer w.end(seg)
		seg.run()
	})
	return true
}

// end forgets a segment. A run that was parked may be here again already.
func (w *Worker) end(seg *segment) {
	w.mu.Lock()
	if w.active[seg.state.id] == seg {
		delete(w.active, seg.state.id)
		if seg.spared {
			w.crowding.spared--
		}
	}
	w.room.Broadcast()
	w.mu.Unlock()
}

// followSignals tells segments that their mailbox has something new.
func (w *Worker) followSignals(ctx context.Context) {
	channels := make([]string, len(w.ledger.lanes))
	for i := range channels {
		channels[i] = queue.Key(i, "signal")
	}
	sub := w.opts.Redis.Subscribe(ctx, channels...)
	defer sub.Close()
	messages := sub.Channel()
	for {
		select {
		case msg, ok := <-messages:
			if !ok {
				return
			}
			w.mu.Lock()
			seg := w.active[msg.Payload]
			if seg == nil {
				w.early.note(msg.Payload, w.opts.Now())
			}
			w.mu.Unlock()
			if seg != nil {
				seg.nudge()
				w.loops.Add(1) // from a loop, so not after its end
				go func() { defer w.loops.Done(); seg.interrupt() }()
			}
		case <-ctx.Done():
			return
		}
	}
}

// enqueueJobs puts runs of a lane back into their queues.
func enqueueJobs(ctx context.Context, q *queue.Client, ln *lane, jobs []job) error {
	byPriority := map[schema.Priority][]string{}
	for _, j := range jobs {
		byPriority[j.priority] = append(byPriority[j.priority], j.id)
	}
	for priority, ids := range byPriority {
		if err := q.Enqueue(ctx, queue.Target{Lane: ln.number, Priority: priority}, ids...); err != nil {
			return fmt.Errorf("queue %d runs of lane %d: %w", len(ids), ln.number, err)
		}
	}
	return nil
}
