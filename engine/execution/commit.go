package execution

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"paragon/engine/batch"
	"paragon/engine/logs"
	"paragon/engine/queue"
	"paragon/schema"
)

// errFenced says that another worker has the run now: what this one still
// wants to write is not written.
var errFenced = errors.New("another worker has the run")

// commit is one checkpoint of one run.
type commit struct {
	id      string
	project string
	fence   int64
	// serial numbers the commits of one segment: each is applied only as the next
	// of the one before, so that one that is sent again after a lost reply, or is
	// late, is not applied again.
	serial int
	fields []field
	way    way

	before, mark string // the commit before and this one, as the script names them
}

// field is a field of the run's hash, and a row of the log when it is logged.
type field struct {
	name, value string
	row         rowKind
	seq         int64 // of a step's row
}

// rowKind says whether a field is logged, and as what.
type rowKind byte

const (
	noRow rowKind = iota
	stepRow
	runRow
)

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

// maxCommitted bounds what the commits of one script write, in bytes, unless one
// alone is larger: Redis does nothing else meanwhile, and all that they log is one
// entry, which is read as a whole.
const maxCommitted = 16 << 20

// commitAll commits by one script; by several where that would be too much for
// one.
func (l *ledger) commitAll(ctx context.Context, ln *lane, reqs []*commit) ([]int, error) {
	first, size := 0, 0
	var codes []int
	for i, c := range reqs {
		own := c.size()
		if size += own; size > maxCommitted && i > first {
			some, err := l.commitSome(ctx, ln, reqs[first:i])
			if err != nil {
				return nil, err
			}
			codes, first, size = append(codes, some...), i, own
		}
	}
	rest, err := l.commitSome(ctx, ln, reqs[first:])
	if err != nil {
		return nil, err
	}
	if first == 0 {
		return rest, nil
	}
	return append(codes, rest...), nil
}

// size is what a commit writes, in bytes.
func (c *commit) size() (n int) {
	for i := range c.fields {
		n += len(c.fields[i].value)
	}
	return n
}

// commitSome commits by one script, or by one for each where one of them turns
// out not to be the next commit of its run.
func (l *ledger) commitSome(ctx context.Context, ln *lane, reqs []*commit) ([]int, error) {
	codes, err := l.commitTogether(ctx, ln, reqs)
	if err != nil || len(codes) == len(reqs) {
		return codes, err
	}
	for i := range reqs {
		one, err := l.commitTogether(ctx, ln, reqs[i:i+1])
		if err == nil && len(one) != 1 {
			err = fmt.Errorf("commit in lane %d: %d answers to one commit", ln.number, len(one))
		}
		if err != nil {
			return nil, err
		}
		codes = append(codes, one[0])
	}
	return codes, nil
}

// commitTogether commits all or, which no codes say, none. The commits stay as
// they are until it returns: their texts are passed by address, which costs no
// copy of each.
func (l *ledger) commitTogether(ctx context.Context, ln *lane, reqs []*commit) ([]int, error) {
	now := ms(l.now())
	markAll(reqs)
	size := 6
	for _, c := range reqs {
		size += 18 + 2*len(c.fields)
	}
	args := make([]any, 0, size)
	args = append(args, now, l.worker, queue.TimerChannel(ln.number), ln.number, logRows(reqs), len(reqs))
	for _, c := range reqs {
		args = append(args, &c.id)
	}
	for _, c := range reqs {
		args = append(args, &c.before)
	}
	for _, c := range reqs {
		args = c.appendTo(args, now)
	}
	reply, err := commitScript.Run(ctx, l.rdb, []string{ln.key}, args...).Slice()
	if err != nil {
		return nil, fmt.Errorf("commit in lane %d: %w", ln.number, err)
	}
	if len(reply) != 2 {
		return nil, fmt.Errorf("commit in lane %d: %d answers", ln.number, len(reply))
	}
	codes, _ := reply[0].([]any)
	out := make([]int, len(codes), len(reqs))
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

// logRows is what commits put into the log, as one value.
func logRows(reqs []*commit) []byte {
	size := 0
	for _, c := range reqs {
		for i := range c.fields {
			if f := &c.fields[i]; f.row != noRow {
				size += len(c.project) + len(c.id) + len(f.value) + logs.RowRoom
			}
		}
	}
	rows := make([]byte, 0, size)
	for _, c := range reqs {
		for i := range c.fields {
			switch f := &c.fields[i]; f.row {
			case stepRow:
				rows = logs.AppendStep(rows, c.project, c.id, f.seq, f.value)
			case runRow:
				rows = logs.AppendRun(rows, c.id, f.value)
			}
		}
	}
	return rows
}

// markAll names each commit and the one before it: "fence.serial", and "fence."
// of a run that was only claimed.
func markAll(reqs []*commit) {
	const room = 26 // of a fencing number and a serial
	buf := make([]byte, 0, 2*room*len(reqs))
	for _, c := range reqs {
		buf = append(strconv.AppendInt(buf, c.fence, 10), '.')
		if c.serial > 0 {
			buf = strconv.AppendInt(buf, int64(c.serial-1), 10)
		}
		buf = append(strconv.AppendInt(append(buf, ' '), c.fence, 10), '.')
		buf = append(strconv.AppendInt(buf, int64(c.serial), 10), ' ')
	}
	all := string(buf) // one text for all, that each takes its part of
	for _, c := range reqs {
		c.before, all, _ = strings.Cut(all, " ")
		c.mark, all, _ = strings.Cut(all, " ")
	}
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

func (c *commit) appendTo(args []any, now string) []any {
	word := &c.way.kind
	if c.way.group != "" {
		word = &wayFail
	}
	args = append(args, &c.mark, (*string)(word), nil)
	first := len(args)
	removes, response := 0, false
	for i := range c.fields {
		switch f := &c.fields[i]; {
		case f.value == "":
			removes++
		default:
			args = append(args, &f.name, &f.value)
			response = response || f.name == fieldResponse
		}
	}
	args = c.way.appendPairs(args, &c.mark, now)
	sets := (len(args) - first) / 2
	args[first-1] = sets
	if removes > 0 || response {
		told := ""
		if response {
			told = "1"
		}
		args[first-1] = fmt.Sprintf("%d %d %s", sets, removes, told)
	}
	for i := range c.fields {
		if f := &c.fields[i]; f.value == "" {
			args = append(args, &f.name)
		}
	}
	return c.way.appendTo(args)
}

// appendPairs appends the fields that a way sets.
func (w *way) appendPairs(args []any, mark *string, now string) []any {
	switch w.kind {
	case wayPark:
		return append(args, fieldStatus, string(schema.RunWaiting), fieldWorker, "", fieldWaitUntil, w.wakeMs(), fieldCommit, mark)
	case wayRelease:
		return append(args, fieldStatus, string(schema.RunQueued), fieldWorker, "", fieldQueued, now, fieldCommit, mark)
	case wayEnd:
		return append(args, fieldStatus, (*string)(&w.state), fieldCommit, mark)
	}
	return args
}

// wakeMs is when a parked run wakes, rounded up: a timer is never early.
func (w *way) wakeMs() int64 { return w.wake.Add(time.Millisecond - 1).UnixMilli() }

// appendTo appends the words of a way.
func (w *way) appendTo(args []any) []any {
	switch w.kind {
	case wayPark:
		args = append(args, w.wakeMs(), w.seen)
	case wayEnd:
		limited := ""
		if w.limited {
			limited = "1"
		}
		args = append(args, &w.tell, limited)
		if w.group != "" {
			args = append(args, &w.group, &w.example)
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
	if err != nil || l.settle == nil || !slices.ContainsFunc(c.fields, func(f field) bool { return f.row != noRow }) {
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
