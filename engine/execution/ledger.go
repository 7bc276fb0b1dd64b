package execution

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/batch"
	"paragon/engine/queue"
	"paragon/schema"
)

// ledger is the runs in Redis: the scripts, one group commit a lane and kind
// of call. It is safe for concurrent use.
type ledger struct {
	rdb   redis.UniversalClient
	lanes []*lane
	now   func() time.Time
	// worker is the id that runs are claimed and committed under.
	worker string
	// logLimit is how many bytes of log may wait in each lane; 0: no limit.
	logLimit int64
	// queue, when set, queues what is accepted by the round trip that accepts it.
	queue *queue.Client
	// weights, when set, returns name and weight of the projects whose weight
	// is not 1.
	weights func() []any
	// settle, when set, returns once the store has a lane's log; see
	// WorkerOptions.
	settle func(ctx context.Context, lane int) error
	// freed gives a job to runs that got a place under their limit.
	freed func(ctx context.Context, ln *lane, jobs []job) error
	log   *slog.Logger
}

// lane is one lane's group commits.
type lane struct {
	number  int
	key     string
	accepts *batch.Group[acceptance, accepted]
	commits *batch.Group[*commit, int]
}

// The most calls that share one script: it blocks Redis while it runs, so it
// must stay below a few milliseconds, and each call has a price of its own.
const (
	maxAccepts = 128
	maxCommits = 256
)

func newLedger(rdb redis.UniversalClient, lanes int, worker string, now func() time.Time) *ledger {
	l := &ledger{rdb: rdb, now: now, worker: worker, log: slog.New(slog.DiscardHandler)}
	for i := range lanes {
		ln := &lane{number: i, key: queue.Key(i)}
		ln.accepts = batch.NewGroup(maxAccepts, 1, func(ctx context.Context, reqs []acceptance) ([]accepted, error) {
			return l.acceptAll(ctx, ln, reqs)
		})
		ln.commits = batch.NewGroup(maxCommits, 1, func(ctx context.Context, reqs []*commit) ([]int, error) {
			return l.commitAll(ctx, ln, reqs)
		})
		l.lanes = append(l.lanes, ln)
	}
	return l
}

// lane returns the lane of a run; nil for an id that names none that exists.
func (l *ledger) lane(id string) *lane {
	n, ok := LaneOfRun(id)
	if !ok || n >= len(l.lanes) {
		return nil
	}
	return l.lanes[n]
}

// stop waits for the round trips under way.
func (l *ledger) stop(ctx context.Context) error {
	for _, ln := range l.lanes {
		if err := ln.accepts.Stop(ctx); err != nil {
			return err
		}
		if err := ln.commits.Stop(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ms is the time as scripts take it.
func ms(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// acceptance asks for a run to be written.
type acceptance struct {
	id       string
	project  string
	priority schema.Priority
	idem     string
	keep     time.Duration // how long idem stands for the run; 0: idempotencyTTL
	limits   []any         // words of accept.lua
	fields   []any         // field, value, …
}

// accepted answers an acceptance.
type accepted struct {
	code int
	id   string
	// more is the run to be canceled, or the wait in milliseconds.
	more string
	// queued says that the run has its job already.
	queued bool
}

// The codes of accept.lua.
const (
	acceptRefused = 0
	acceptNew     = 1
	acceptKnown   = 2
	acceptWaits   = 3
	acceptSkipped = 4
	acceptLimited = 5
)

const (
	// idempotencyTTL is how long an idempotency key answers with its run.
	idempotencyTTL = 24 * time.Hour
	// lateTTL is how late an acceptance may come after the run that it is of.
	lateTTL = 10 * time.Minute
)

func (l *ledger) acceptAll(ctx context.Context, ln *lane, reqs []acceptance) ([]accepted, error) {
	args := make([]any, 0, 3+len(reqs)*12)
	args = append(args, ms(l.now()), l.logLimit, len(reqs))
	for i := range reqs {
		args = append(args, 0, &reqs[i].id)
	}
	for i := range reqs {
		r := &reqs[i]
		keep := r.keep
		if keep == 0 {
			keep = idempotencyTTL
		}
		args = append(args, queueWord(r.priority, r.project), r.idem, int(keep.Seconds()), len(r.limits))
		args = append(args, r.limits...)
		args = append(args, len(r.fields)/2)
		args = append(args, r.fields...)
	}
	reply, queued, err := l.sendAccept(ctx, ln, reqs, args)
	if err != nil {
		return nil, fmt.Errorf("accept runs in lane %d: %w", ln.number, err)
	}
	if len(reply) != 3*len(reqs) {
		return nil, fmt.Errorf("accept runs in lane %d: %d answers for %d runs", ln.number, len(reply)/3, len(reqs))
	}
	out := make([]accepted, len(reqs))
	for i := range out {
		code, _ := reply[3*i].(int64)
		id, _ := reply[3*i+1].(string)
		more, _ := reply[3*i+2].(string)
		out[i] = accepted{code: int(code), id: id, more: more, queued: queued}
	}
	return out, nil
}

// sendAccept runs accept.lua. Runs without limits have their jobs queued by the
// same round trip; the job of one that turns out not to be accepted finds no
// run to claim.
func (l *ledger) sendAccept(ctx context.Context, ln *lane, reqs []acceptance, args []any) (reply []any, queued bool, err error) {
	ids := make([]string, len(reqs))
	together := l.queue != nil
	for i := range reqs {
		ids[i] = reqs[i].id
		together = together && len(reqs[i].limits) == 0 && reqs[i].priority == reqs[0].priority
	}
	if together {
		var cmd *redis.Cmd
		target := queue.Target{Lane: ln.number, Priority: reqs[0].priority}
		failed := l.queue.EnqueueAfter(ctx, target, ids, func(pipe redis.Pipeliner) {
			cmd = acceptScript.EvalSha(ctx, pipe, []string{ln.key}, args...)
		})
		if cmd != nil && cmd.Err() == nil {
			reply, err = cmd.Slice()
			return reply, failed == nil, err
		}
	}
	reply, err = acceptScript.Run(ctx, l.rdb, []string{ln.key}, args...).Slice()
	return reply, false, err
}

// claim takes queued runs of a priority for this worker, at most limit: those
// whose projects' turn it is, which need not be those that a job names.
func (l *ledger) claim(ctx context.Context, ln *lane, p schema.Priority, limit int) ([]*state, error) {
	now := l.now()
	args := []any{ms(now), l.worker, string(p), limit}
	if l.weights != nil {
		args = append(args, l.weights()...)
	}
	reply, err := claimScript.Run(ctx, l.rdb, []string{ln.key}, args...).Slice()
	if err != nil {
		return nil, fmt.Errorf("claim runs in lane %d: %w", ln.number, err)
	}
	if len(reply) == 0 {
		return nil, fmt.Errorf("claim runs in lane %d: an empty answer", ln.number)
	}
	paused := reply[0] == "1"
	out := make([]*state, 0, min(limit, len(reply)))
	for rest := reply[1:]; len(rest) > 0; {
		switch first := rest[0].(type) {
		case string:
			if len(rest) < 3 {
				return nil, fmt.Errorf("claim runs in lane %d: the answer is cut off", ln.number)
			}
			fence, _ := rest[1].(string)
			begin, _ := rest[2].(string)
			out = append(out, beginningState(first, fence, begin, now, paused, l.worker))
			rest = rest[3:]
		case []any:
			if len(first) == 2 {
				id, _ := first[0].(string)
				out = append(out, parseState(id, texts(first[1])))
			}
			rest = rest[1:]
		default:
			return nil, fmt.Errorf("claim runs in lane %d: %v is no run", ln.number, first)
		}
	}
	return out, nil
}

// claimsKey is the hash of the runs that a worker executes in a lane, each with
// its last commit.
func claimsKey(ln *lane, worker string) string { return ln.key + ":claims:" + worker }

// load reads a run; nil when Redis does not have it.
func (l *ledger) load(ctx context.Context, id string) (*state, error) {
	ln := l.lane(id)
	if ln == nil {
		return nil, nil
	}
	fields, err := l.rdb.HGetAll(ctx, ln.key+":run:"+id).Result()
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", id, err)
	}
	if len(fields) == 0 {
		return nil, nil
	}
	return parseState(id, pairsOf(fields)), nil
}

// loadMany reads the runs of a lane in one round trip; runs that are gone are
// left out.
func (l *ledger) loadMany(ctx context.Context, ln *lane, ids []string) ([]*state, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	pipe := l.rdb.Pipeline()
	replies := make([]*redis.MapStringStringCmd, len(ids))
	for i, id := range ids {
		replies[i] = pipe.HGetAll(ctx, ln.key+":run:"+id)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("read runs of lane %d: %w", ln.number, err)
	}
	out := make([]*state, 0, len(ids))
	for i, id := range ids {
		if len(replies[i].Val()) == 0 {
			continue
		}
		out = append(out, parseState(id, pairsOf(replies[i].Val())))
	}
	return out, nil
}

func pairsOf(fields map[string]string) []string {
	pairs := make([]string, 0, 2*len(fields))
	for k, v := range fields {
		pairs = append(pairs, k, v)
	}
	return pairs
}

// lexRange asks for members of equal score below (or from) a member.
func lexRange(from string, count int64) *redis.ZRangeBy {
	return &redis.ZRangeBy{Min: "-", Max: from, Count: count}
}

// The codes of signal.lua.
const (
	signalUnknown = -1
	signalEnded   = 0
	signalSeen    = 1
	signalQueued  = 2
)

// tell puts a signal into a run's mailbox, unless one that is the same (in a
// word, empty for none) came before. With signalQueued the run needs a job in
// the queue of the priority.
func (l *ledger) tell(ctx context.Context, id string, payload []byte, same string) (int, schema.Priority, error) {
	ln := l.lane(id)
	if ln == nil {
		return signalUnknown, "", nil
	}
	reply, err := signalScript.Run(ctx, l.rdb, []string{ln.key}, ms(l.now()), id, payload, same).Slice()
	if err != nil {
		return 0, "", fmt.Errorf("signal run %s: %w", id, err)
	}
	if len(reply) != 2 {
		return 0, "", fmt.Errorf("signal run %s: %d answers", id, len(reply))
	}
	code, _ := reply[0].(int64)
	word, _ := reply[1].(string)
	return int(code), priorityOf(word), nil
}

// job is a run that needs a job in a queue.
type job struct {
	id       string
	priority schema.Priority
}

// due queues the parked runs whose time has come, at most limit. It returns
// them and the time of the earliest timer left, zero for none.
func (l *ledger) due(ctx context.Context, ln *lane, now time.Time, limit int) (next time.Time, jobs []job, err error) {
	reply, err := wakeScript.Run(ctx, l.rdb, []string{ln.key}, ms(now), limit).StringSlice()
	if err != nil {
		return next, nil, fmt.Errorf("wake runs of lane %d: %w", ln.number, err)
	}
	if len(reply) == 0 {
		return next, nil, nil
	}
	if reply[0] != "" {
		at, err := strconv.ParseFloat(reply[0], 64)
		if err != nil {
			return next, nil, fmt.Errorf("wake runs of lane %d: timer %q: %w", ln.number, reply[0], err)
		}
		next = time.UnixMilli(int64(at))
	}
	return next, jobsOf(reply[1:]), nil
}

// queueWord names the queue of a run within its lane, as scripts do.
func queueWord(p schema.Priority, project string) string { return string(p) + "/" + project }

func priorityOf(word string) schema.Priority {
	p, _, _ := strings.Cut(word, "/")
	return schema.Priority(p)
}

func jobsOf(pairs []string) []job {
	jobs := make([]job, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		jobs = append(jobs, job{id: pairs[i], priority: priorityOf(pairs[i+1])})
	}
	return jobs
}

// takeBack queues runs that a worker holds: some of them (or, with no ids, up
// to limit of all). Blame counts it as a takeover.
func (l *ledger) takeBack(ctx context.Context, ln *lane, worker string, blame bool, limit int, ids ...string) ([]job, error) {
	args := []any{ms(l.now()), worker, "0", limit}
	if blame {
		args[2] = "1"
	}
	for _, id := range ids {
		args = append(args, id)
	}
	reply, err := reapScript.Run(ctx, l.rdb, []string{ln.key}, args...).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("take back the runs of worker %s in lane %d: %w", worker, ln.number, err)
	}
	return jobsOf(reply), nil
}

// queued returns queued runs of a priority, those that are next, at most limit.
func (l *ledger) queued(ctx context.Context, ln *lane, p schema.Priority, limit int) ([]string, error) {
	ids, err := strandedScript.Run(ctx, l.rdb, []string{ln.key}, string(p), limit).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("look for stranded runs in lane %d: %w", ln.number, err)
	}
	return ids, nil
}
