package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"paragon/engine/queue"
	"paragon/schema"
)

// expectation says what of the guarantees a fault leaves.
type expectation struct {
	// lostRedis: Redis has another memory than it had, so that what was done
	// meanwhile may be done again.
	lostRedis bool
	// once: nothing hit a worker, so that no effect may come twice; calm: nor
	// was any run taken over.
	once, calm bool
	// within bounds the wait for the last row; 0 takes a minute.
	within time.Duration
}

// pastRun is a run in the store.
type pastRun struct {
	status     schema.RunStatus
	recoveries int
	steps      []pastStep
}

// pastStep is a step record in the store.
type pastStep struct {
	path     string
	status   schema.StepStatus
	attempt  int
	attempts []schema.Attempt
}

// check waits until every acknowledged run is history, and compares that
// history with what the far side saw.
func (c *cluster) check(acked map[string]ack, e expectation) {
	c.t.Helper()
	if e.within == 0 {
		e.within = time.Minute
	}
	all := acked
	acked, gone := c.surviving(acked)
	if len(c.emptied) > 0 {
		c.t.Logf("Redis lost its memory %d times, and with it up to %d runs that were not durable", len(c.emptied), len(gone))
	}
	c.ended(acked, e.within)
	c.atRest()
	past := c.past()
	faults := 0
	report := func(format string, args ...any) {
		if faults++; faults <= 20 {
			c.t.Errorf(format, args...)
		}
	}
	seen := map[string][]observation{} // by run
	for _, o := range c.far.history() {
		seen[o.run()] = append(seen[o.run()], o)
	}
	for key, a := range acked {
		run, there := past[a.id]
		if !there || !a.mayEnd(run.status) {
			report("%s: run %s is %q in the store", key, a.id, run.status)
			continue
		}
		c.checkRun(key, a, run, seen[a.id], e, report)
	}
	c.checkLimits(all, acked, past, seen, report)
	// A run that is gone may be started anew by a trigger that is sent again,
	// and one that was called by its caller.
	most := func(n string) int {
		key, called := strings.CutSuffix(n, "/sub")
		if gone[key] || called && c.exposed(acked[key]) {
			return math.MaxInt
		}
		return 1 + acked[n].replays
	}
	if err := c.far.oneRunEach(most); err != nil {
		c.t.Error(err)
	}
	if faults > 20 {
		c.t.Errorf("and %d more faults", faults-20)
	}
}

// checkRun compares one run's history with what the far side saw of it.
func (c *cluster) checkRun(key string, a ack, run pastRun, seen []observation, e expectation, report func(string, ...any)) {
	stageOf := map[string]int{}
	for i, paths := range a.shape.stages {
		for _, path := range paths {
			stageOf[path] = i
		}
	}
	all := c.strikes.list()
	calls := map[string][]observation{}
	stage, before := 0, time.Time{}
	for _, o := range seen {
		at, known := stageOf[o.step()]
		if !known {
			report("%s: run %s called for step %q, which it does not have", key, a.id, o.step())
			continue
		}
		calls[o.step()] = append(calls[o.step()], o)
		if c.startsOver(a, before, o.at) {
			stage = 0
		}
		before = o.at
		if at < stage && !e.lostRedis && !(run.recoveries > 0 && thawed(o, all)) {
			report("%s: run %s executed a finished step again: %s", key, a.id, order(seen))
		}
		stage = max(stage, at)
	}
	if run.recoveries > 0 && e.calm {
		report("%s: run %s was taken over %d times though no worker was hit", key, a.id, run.recoveries)
	}
	stopped := run.status == schema.RunCanceled
	for path := range stageOf {
		logged, succeeded := c.attempts(key, a.id, path, run, report)
		switch {
		case stopped && succeeded <= 1 && len(logged) <= len(calls[path]):
			// It was over before, in, or after this step.
		case len(calls[path]) == 0:
			report("%s: step %s of run %s succeeded, but the far side never saw it", key, path, a.id)
		case succeeded != 1:
			report("%s: step %s of run %s has %d records of its success; want 1", key, path, a.id, succeeded)
		case len(logged) > len(calls[path]):
			report("%s: step %s of run %s logs %d attempts, the far side saw %d", key, path, a.id, len(logged), len(calls[path]))
		}
		if !e.lostRedis {
			if why := c.repeated(a, run, calls[path], logged, e, all); why != "" {
				report("%s: step %s of run %s was called %d times, its log has %d attempts: %s; it was taken over %d times: %s",
					key, path, a.id, len(calls[path]), len(logged), why, run.recoveries, order(seen))
			}
		}
	}
}

// repeated looks at the calls of a step that its log does not have, and says
// why one of them may not be: nothing hit the run while its outcome was open.
func (c *cluster) repeated(a ack, run pastRun, calls []observation, logged []schema.Attempt, e expectation, all []strike) string {
	known, mute := answers(logged)
	extra, stopped := 0, 0
	for _, o := range calls {
		if known[o.n] {
			continue
		}
		// It timed out, as an attempt without an answer; the answer may have
		// crossed with that.
		if mute > 0 && (o.status == 0 || o.done.Sub(o.at) > stepTimeout/2) {
			mute--
			continue
		}
		if c.forgot(a, o) || run.status == schema.RunCanceled && a.cutShort(o) {
			continue
		}
		extra++
		by := lost(o, all)
		if len(by) == 0 && !thawed(o, all) {
			return fmt.Sprintf("call %d was hit by nothing", o.n)
		}
		if slices.ContainsFunc(by, func(k strike) bool { return k.signal == syscall.SIGTERM }) {
			stopped++ // what is cut short at the end of a drain is given back, not taken over
		}
	}
	switch {
	case extra == 0:
		return ""
	case e.once || e.calm:
		return "nothing hit a worker"
	case extra > run.recoveries+stopped && !c.exposed(a):
		return fmt.Sprintf("%d are too many", extra)
	}
	return ""
}

// answered finds which call of its key the far side answered.
var answered = regexp.MustCompile(`"n":(\d+)`)

// answers tells which calls the attempts have the answers of, and how many
// attempts have none.
func answers(logged []schema.Attempt) (known map[int]bool, mute int) {
	known = map[int]bool{}
	for _, a := range logged {
		if a.Response == nil {
			mute++
		} else if found := answered.FindStringSubmatch(a.Response.Body); found != nil {
			n, _ := strconv.Atoi(found[1])
			known[n] = true
		}
	}
	return known, mute
}

// attempts collects the attempts that the log has of a step, and how often it
// says that the step succeeded.
func (c *cluster) attempts(key, id, path string, run pastRun, report func(string, ...any)) (logged []schema.Attempt, succeeded int) {
	last := 0
	for _, s := range run.steps {
		if s.path != path {
			continue
		}
		if s.status == schema.StepSucceeded {
			succeeded++
		}
		for _, a := range s.attempts {
			if a.Number != last+1 {
				report("%s: step %s of run %s has attempt %d after %d", key, path, id, a.Number, last)
			}
			last = a.Number
			logged = append(logged, a)
		}
	}
	return logged, succeeded
}

// order shows what the far side saw of a run.
func order(seen []observation) string {
	var b strings.Builder
	for _, o := range seen {
		fmt.Fprintf(&b, "%s(%s,%d) ", o.step(), o.at.Format("05.000"), o.status)
	}
	return b.String()
}

// ended waits until all the runs are in the store.
func (c *cluster) ended(acked map[string]ack, within time.Duration) {
	c.t.Helper()
	ids := make([]string, 0, len(acked))
	for _, a := range acked {
		ids = append(ids, a.id)
	}
	missing := ids
	ctx, cancel := context.WithTimeout(c.t.Context(), within)
	defer cancel()
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		var err error
		if missing, err = c.missing(ctx, missing); err == nil && len(missing) == 0 {
			tick.Stop()
			return
		}
		if ctx.Err() != nil {
			tick.Stop()
			c.t.Fatalf("%d of %d acknowledged runs did not end in %v (%v): %s", len(missing), len(ids), within, err, c.describe(missing))
		}
	}
}

// missing tells which of the runs are not in the store.
func (c *cluster) missing(ctx context.Context, ids []string) ([]string, error) {
	rows, err := c.pool.Query(ctx, `SELECT w.id FROM unnest($1::text[]) AS w (id)
		WHERE NOT EXISTS (SELECT FROM runs r WHERE r.project = 'default' AND r.id = w.id COLLATE "C")`, ids)
	if err != nil {
		return ids, err
	}
	defer rows.Close()
	var left []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return ids, err
		}
		left = append(left, id)
	}
	if err := rows.Err(); err != nil {
		return ids, err
	}
	return left, nil
}

// describe shows what Redis knows of some runs.
func (c *cluster) describe(ids []string) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.t.Context()), 10*time.Second)
	defer cancel()
	var b strings.Builder
	for _, id := range ids[:min(len(ids), 5)] {
		fmt.Fprintf(&b, "\n%s:", id)
		for _, o := range c.far.history() {
			if o.run() == id {
				fmt.Fprintf(&b, " %s", order([]observation{o}))
			}
		}
		for lane := range lanes {
			fields, err := c.rdb.HGetAll(ctx, queue.Key(lane, "run", id)).Result()
			if err != nil {
				fmt.Fprintf(&b, " %v", err)
			}
			for name, value := range fields {
				if len(value) > 100 {
					value = value[:100] + "…"
				}
				fmt.Fprintf(&b, " %s=%s", name, value)
			}
		}
	}
	return b.String()
}

// atRest waits until Redis holds nothing of runs any more: what is left behind
// would be left for good, and the count of waiting log bytes must come out
// even.
func (c *cluster) atRest() {
	c.t.Helper()
	left := ""
	ctx, cancel := context.WithTimeout(c.t.Context(), 45*time.Second)
	defer cancel()
	for tick := time.NewTicker(100 * time.Millisecond); ; <-tick.C {
		now, err := c.leftovers(ctx)
		if err == nil {
			left = now
		}
		if err == nil && left == "" {
			tick.Stop()
			return
		}
		if ctx.Err() != nil {
			tick.Stop()
			c.t.Errorf("all runs have ended and Redis still holds: %s (%v)", left, err)
			return
		}
	}
}

// leftovers lists what no run that has ended may leave in Redis.
func (c *cluster) leftovers(ctx context.Context) (string, error) {
	var found []string
	for lane := range lanes {
		bytes, err := c.rdb.Get(ctx, queue.Key(lane, "logbytes")).Result()
		if err == nil && bytes != "0" {
			found = append(found, fmt.Sprintf("%s=%s", queue.Key(lane, "logbytes"), bytes))
		}
		for _, pattern := range []string{"run:*", "claims:*", "live", "ready:*", "turns:*", "timers", "untold", "holding", "held:*", "hold:*", "line:*", "rate:*", "throttle:*", "debounce:*"} {
			keys, err := c.rdb.Keys(ctx, strings.NewReplacer("{", `\{`, "}", `\}`).Replace(queue.Key(lane, ""))+pattern).Result()
			if err != nil {
				return "", err
			}
			slices.Sort(keys)
			found = append(found, keys[:min(len(keys), 5)]...)
		}
	}
	var accepted int
	if err := c.pool.QueryRow(ctx, `SELECT count(*) FROM accepted`).Scan(&accepted); err != nil {
		return "", err
	}
	if accepted > 0 {
		found = append(found, fmt.Sprintf("%d accepted rows in the store", accepted))
	}
	return strings.Join(found, ", "), nil
}

// past reads the whole history from the store.
func (c *cluster) past() map[string]pastRun {
	c.t.Helper()
	past := map[string]pastRun{}
	rows, err := c.pool.Query(c.t.Context(), `SELECT id, status, recoveries FROM runs`)
	c.must(err)
	for rows.Next() {
		var id string
		var r pastRun
		c.must(rows.Scan(&id, &r.status, &r.recoveries))
		past[id] = r
	}
	c.must(rows.Err())
	rows, err = c.pool.Query(c.t.Context(), `SELECT run, path, status, attempt, coalesce(attempts, 'null') FROM steps ORDER BY run, seq`)
	c.must(err)
	for rows.Next() {
		var id, attempts string
		var s pastStep
		c.must(rows.Scan(&id, &s.path, &s.status, &s.attempt, &attempts))
		c.must(json.Unmarshal([]byte(attempts), &s.attempts))
		r := past[id]
		r.steps = append(r.steps, s)
		past[id] = r
	}
	c.must(rows.Err())
	return past
}
