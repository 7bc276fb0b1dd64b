package execution

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/queue"
	"paragon/schema"
)

// laneView is what look.lua says of a lane.
type laneView struct {
	// untold is how many callers are still to be told of an end.
	untold int
	// queues has what is queued, by priority.
	queues map[schema.Priority]queueView
	// held are the workflows that are not paused and have runs that are held.
	held []string
}

// queueView is one queue of a lane.
type queueView struct {
	runs   int64
	oldest time.Time // zero for none
	next   string    // the run that is next, empty for none
}

// view looks at a lane, in one script.
func (l *ledger) view(ctx context.Context, ln *lane) (laneView, error) {
	cmd := lookScript.Run(ctx, l.rdb, []string{ln.key}, priorityWords()...)
	return parseView(ln, cmd)
}

// views looks at all lanes in one round trip.
func (l *ledger) views(ctx context.Context) ([]laneView, error) {
	// A pipeline can't run a script that Redis does not have yet.
	if err := lookScript.Load(ctx, l.rdb).Err(); err != nil {
		return nil, fmt.Errorf("look at the lanes: %w", err)
	}
	pipe := l.rdb.Pipeline()
	cmds := make([]*redis.Cmd, len(l.lanes))
	for i, ln := range l.lanes {
		cmds[i] = lookScript.EvalSha(ctx, pipe, []string{ln.key}, priorityWords()...)
	}
	_, _ = pipe.Exec(ctx) // each command's error is looked at
	out := make([]laneView, len(l.lanes))
	for i, ln := range l.lanes {
		var err error
		if out[i], err = parseView(ln, cmds[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// anyBusy tells whether runs are queued in any lane or claimed by one of some
// workers, by one command for each lane.
func (l *ledger) anyBusy(ctx context.Context, workers []WorkerInfo) (bool, error) {
	pipe := l.rdb.Pipeline()
	cmds := make([]*redis.IntCmd, len(l.lanes))
	for i, ln := range l.lanes {
		keys := make([]string, 0, 3+len(workers))
		for _, p := range queue.Priorities() {
			keys = append(keys, ln.key+":turns:"+string(p)) // there while a project has runs queued
		}
		for _, w := range workers {
			keys = append(keys, claimsKey(ln, w.ID))
		}
		cmds[i] = pipe.Exists(ctx, keys...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return false, fmt.Errorf("look at the lanes: %w", err)
	}
	return slices.ContainsFunc(cmds, func(c *redis.IntCmd) bool { return c.Val() > 0 }), nil
}

func priorityWords() []any {
	args := make([]any, 0, 3)
	for _, p := range queue.Priorities() {
		args = append(args, string(p))
	}
	return args
}

func parseView(ln *lane, cmd *redis.Cmd) (laneView, error) {
	v := laneView{queues: map[schema.Priority]queueView{}}
	found, err := cmd.StringSlice()
	if err != nil {
		return v, fmt.Errorf("look at lane %d: %w", ln.number, err)
	}
	if len(found) < 1+3*len(queue.Priorities()) {
		return v, fmt.Errorf("look at lane %d: %d answers", ln.number, len(found))
	}
	if v.untold, err = strconv.Atoi(found[0]); err != nil {
		return v, fmt.Errorf("look at lane %d: %w", ln.number, err)
	}
	found = found[1:]
	for _, p := range queue.Priorities() {
		q := queueView{next: found[2]}
		if q.runs, err = strconv.ParseInt(found[0], 10, 64); err != nil {
			return v, fmt.Errorf("look at lane %d: %w", ln.number, err)
		}
		if found[1] != "" {
			if q.oldest, err = millis(found[1]); err != nil {
				return v, fmt.Errorf("look at lane %d: %w", ln.number, err)
			}
		}
		v.queues[p], found = q, found[3:]
	}
	v.held = found
	return v, nil
}
