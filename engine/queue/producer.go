package queue

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// taskType is the type of all our tasks in asynq.
const taskType = "bundle"

// maxRetry keeps asynq from ever archiving a bundle. (Errors of our handler
// are not failures to asynq, see IsFailure in Consumer, so the count does not
// even grow; this is for those that asynq's recoverer finds.)
const maxRetry = 1 << 30

// parcel is one task on its way: an id that stays the same in every attempt to
// enqueue it, so that a repetition after a lost reply is recognised.
type parcel struct {
	id   string
	task *asynq.Task
	sent bool
}

func newParcel(ids []string) *parcel {
	var b [12]byte
	rand.Read(b[:]) // never fails since Go 1.24
	return &parcel{
		id:   hex.EncodeToString(b[:]),
		task: asynq.NewTask(taskType, []byte(strings.Join(ids, "\n"))),
	}
}

// producer enqueues tasks through asynq's client in one round trip for many,
// with their ring. asynq.Client sends one script a call; producer hands it a
// client that takes the script call down instead of sending it, and then sends
// all that were taken down, and one PUBLISH, as one pipeline. asynq alone
// decides what a task looks like in Redis.
type producer struct {
	rdb   redis.UniversalClient
	asynq *asynq.Client
}

func newProducer(rdb redis.UniversalClient) *producer {
	return &producer{rdb: rdb, asynq: asynq.NewClientFromRedisClient(&recorder{UniversalClient: rdb})}
}

// send enqueues all parcels that are not sent yet, and rings. It returns the
// first error; which parcels went is noted in each.
func (p *producer) send(ctx context.Context, t Target, parcels []*parcel) error {
	err := p.try(ctx, t, parcels, false, nil)
	if kindOf(err) == kindNoScript {
		err = p.try(ctx, t, parcels, true, nil)
	}
	return err
}

// try makes one round trip: what before adds to it, the parcels, the ring.
func (p *producer) try(ctx context.Context, t Target, parcels []*parcel, whole bool, before func(redis.Pipeliner)) error {
	tape := &tape{whole: whole}
	taped := context.WithValue(ctx, tapeKey{}, tape)
	queue := asynq.Queue(queueName(t))
	open := make([]*parcel, 0, len(parcels))
	for _, c := range parcels {
		if c.sent {
			continue
		}
		before := len(tape.calls)
		_, err := p.asynq.EnqueueContext(taped, c.task, asynq.TaskID(c.id), queue, asynq.MaxRetry(maxRetry))
		switch {
		case err != nil:
			return err
		case len(tape.calls) == before:
			// asynq did not go through EVALSHA: it has enqueued by itself.
			c.sent = true
		default:
			open = append(open, c)
		}
	}
	pipe := p.rdb.Pipeline()
	if before != nil {
		before(pipe)
	}
	cmds := make([]*redis.Cmd, len(tape.calls))
	for i, call := range tape.calls {
		if whole && i == 0 {
			cmds[i] = pipe.Eval(ctx, call.script, call.keys, call.args...)
		} else {
			// The first call in full has loaded the script for the rest; in a
			// cluster all keys are of one slot, hence of one node.
			cmds[i] = pipe.EvalSha(ctx, call.sha, call.keys, call.args...)
		}
	}
	pipe.Publish(ctx, bellChannel(t.Lane), string(t.Priority))
	// A lost ring is not an error: the tasks are in, and the safety interval
	// finds them. So only the scripts' own results count.
	_, execErr := pipe.Exec(ctx)
	var first error
	for i, cmd := range cmds {
		if err := cmd.Err(); err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		// 0 says that a task of this id exists: an earlier attempt came through
		// although its reply did not.
		open[i].sent = true
	}
	if first == nil && len(cmds) == 0 && execErr != nil {
		return execErr
	}
	return first
}

// tape collects the script calls of one round trip.
type tape struct {
	// whole has asynq come back with the script's text.
	whole bool
	calls []call
}

type call struct {
	sha, script string
	keys        []string
	args        []any
}

type tapeKey struct{}

// recorder is the client that asynq's client gets.
type recorder struct {
	redis.UniversalClient
}

// EvalSha takes an enqueue down, or sends everything else.
func (r *recorder) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	t, ok := ctx.Value(tapeKey{}).(*tape)
	if !ok || !isEnqueue(keys) {
		return r.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}
	if t.whole && len(t.calls) == 0 {
		return redis.NewCmdResult(nil, errNoScript{})
	}
	t.calls = append(t.calls, call{sha: sha, keys: keys, args: args})
	return redis.NewCmdResult(int64(1), nil)
}

// Eval takes an enqueue with its script's text down, or sends everything else.
func (r *recorder) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	t, ok := ctx.Value(tapeKey{}).(*tape)
	if !ok || !isEnqueue(keys) {
		return r.UniversalClient.Eval(ctx, script, keys, args...)
	}
	t.calls = append(t.calls, call{script: script, keys: keys, args: args})
	return redis.NewCmdResult(int64(1), nil)
}

// isEnqueue knows asynq's enqueue script by its keys: the task and the
// queue's pending list.
func isEnqueue(keys []string) bool {
	return len(keys) == 2 &&
		strings.HasPrefix(keys[0], "asynq:{") && strings.Contains(keys[0], "}:t:") &&
		strings.HasPrefix(keys[1], "asynq:{") && strings.HasSuffix(keys[1], "}:pending")
}

// errNoScript is what Redis says of a script that it does not have.
type errNoScript struct{}

func (errNoScript) Error() string { return "NOSCRIPT sent in full instead" }
func (errNoScript) RedisError()   {}

// decodeBundle reads a task's payload.
func decodeBundle(payload []byte) ([]string, error) {
	ids := strings.Split(string(payload), "\n")
	for _, id := range ids {
		if id == "" {
			return nil, errors.New("an id is empty")
		}
	}
	return ids, nil
}

// checkIDs refuses what a payload can't carry.
func checkIDs(ids []string) error {
	for i, id := range ids {
		if id == "" || strings.ContainsRune(id, '\n') {
			return fmt.Errorf("queue: id %d of %d is empty or has a line break", i+1, len(ids))
		}
	}
	return nil
}
