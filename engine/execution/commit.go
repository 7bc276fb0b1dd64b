package execution

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"paragon/engine/batch"
	"paragon/engine/queue"
	"paragon/schema"
)

// errFenced says that another worker has the run now: what this one still
// wants to write is not written.
var errFenced = errors.New("another worker has the run")

// commit is one checkpoint of one run.
type commit struct {
	id    string
	fence int64
	// serial numbers the commits of one segment, so that one that is sent
	// again after a lost reply is not applied again.
	serial int
	fields []field
	way    way
}

// field is a field of the run's hash, a row of the log, or both.
type field struct {
	name, value      string
	logKey, logValue string // logValue "" stands for value
}

// way says how the run goes on after the commit.
type way struct {
	kind  wayKind
	wake  time.Time        // of a park
	seen  int64            // of a park: the signals seen
	state schema.RunStatus // of an end
	tell  string           // of an end: what the caller is still to be told
	// limited is set for an end of a run that may hold a place under a limit.
	limited bool
	// group and example, of a failure that somebody is told of, are counted with
	// the end (engine/notice).
	group, example string
}

type wayKind string

const (
	wayGo      wayKind = "go"
	wayPark    wayKind = "park"
	wayRelease wayKind = "release"
	wayEnd     wayKind = "end"
)

// wayFail is the word of an end that is counted as a failure, too.
var wayFail wayKind = "fail"

// The codes of commit.lua.
const (
	commitRefused = 0
	commitDone    = 1
	commitSignals = 2
)

// commitAll commits by one script. The commits stay as they are until it
// returns: their texts are passed by address, which costs no copy of each.
func (l *ledger) commitAll(ctx context.Context, ln *lane, reqs []*commit) ([]int, error) {
	size := 5
	for i := range reqs {
		size += 8 + 4*len(reqs[i].fields)
	}
	args := make([]any, 0, size)
	args = append(args, ms(l.now()), l.worker, queue.TimerChannel(ln.number), ln.number, len(reqs))
	for i := range reqs {
		args = append(args, &reqs[i].id)
	}
	for i := range reqs {
		args = reqs[i].appendTo(args)
	}
	reply, err := commitScript.Run(ctx, l.rdb, []string{ln.key}, args...).Slice()
	if err != nil {
		return nil, fmt.Errorf("commit in lane %d: %w", ln.number, err)
	}
	if len(reply) != 2 {
		return nil, fmt.Errorf("commit in lane %d: %d answers", ln.number, len(reply))
	}
	codes, _ := reply[0].([]any)
	out := make([]int, len(codes))
	for i := range codes {
		code, _ := codes[i].(int64)
		out[i] = int(code)
	}
	if freed := jobsOf(texts(reply[1])); len(freed) > 0 && l.freed != nil {
		// The runs are queued already: should this fail, the keeper finds them.
		if err := l.freed(ctx, ln, freed); err != nil {
			l.log.Warn("runs that got a place under their limit wait for the keeper to give them a job", "error", err)
		}
	}
	return out, nil
}

// texts reads a list of texts from a script's reply.
func texts(reply any) []string {
	list, _ := reply.([]any)
	out := make([]string, len(list))
	for i, v := range list {
		out[i], _ = v.(string)
	}
	return out
}

func (c *commit) appendTo(args []any) []any {
	args = append(args, &c.fence, c.serial, len(c.fields))
	for i := range c.fields {
		f := &c.fields[i]
		args = append(args, &f.name, &f.value, &f.logKey, &f.logValue)
	}
	word := &c.way.kind
	if c.way.group != "" {
		word = &wayFail
	}
	args = append(args, (*string)(word))
	switch c.way.kind {
	case wayPark:
		// Rounded up: a timer is never early.
		args = append(args, c.way.wake.Add(time.Millisecond-1).UnixMilli(), c.way.seen)
	case wayEnd:
		limited := ""
		if c.way.limited {
			limited = "1"
		}
		args = append(args, (*string)(&c.way.state), &c.way.tell, limited)
		if c.way.group != "" {
			args = append(args, &c.way.group, &c.way.example)
		}
	}
	return args
}

// maxFields bounds the fields of one commit: Lua's unpack is limited.
const maxFields = 500

// write commits, and tries again while Redis is away: a worker that has done
// something keeps its result until it is written or the run is another's. It
// reports whether signals came that kept the run from being parked.
func (l *ledger) write(ctx context.Context, c *commit) (signals bool, err error) {
	ln := l.lane(c.id)
	if ln == nil {
		return false, fmt.Errorf("run %s: its lane does not exist here", c.id)
	}
	for len(c.fields) > maxFields {
		first := *c
		first.fields, first.way = c.fields[:maxFields], way{kind: wayGo}
		if _, err := l.writeOne(ctx, ln, first); err != nil {
			return false, err
		}
		c.fields = c.fields[maxFields:]
		c.serial++
	}
	code, err := l.writeOne(ctx, ln, *c)
	c.serial++
	return code == commitSignals, err
}

func (l *ledger) writeOne(ctx context.Context, ln *lane, c commit) (code int, err error) {
	err = persist(ctx, func() error {
		code, err = ln.commits.Do(ctx, &c)
		return err
	})
	if err == nil && code == commitRefused {
		err = errFenced
	}
	if err != nil || l.settle == nil || !slices.ContainsFunc(c.fields, func(f field) bool { return f.logKey != "" }) {
		return code, err
	}
	return code, persist(ctx, func() error { return l.settle(ctx, ln.number) })
}

// persist does something on Redis again, with growing pauses, until it works,
// or ctx ends, or this process does.
func persist(ctx context.Context, do func() error) error {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := do()
		if err == nil || ctx.Err() != nil || errors.Is(err, batch.ErrStopped) {
			return err
		}
		pause := time.NewTimer(wait/2 + rand.N(wait))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
}
