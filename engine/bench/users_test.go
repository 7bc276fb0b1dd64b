package bench_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"paragon/engine/cache"
	"paragon/engine/connect/enrol"
	"paragon/engine/daemon"
	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/steps"
)

// digest is a workflow that nine of ten users may have, with its triggers.
const digest = `
apiVersion: paragon/v1
kind: Workflow
metadata: {name: digest}
spec:
  users:
    allow: "${{ user.meta.plan in ['pro', 'enterprise'] }}"
    default: enabled
    settings: {type: object, properties: {channel: {type: string, default: general}}}
  triggers: [%s]
  steps: [{id: a, function: {source: "return null"}}]
`

// paced notes when each run began.
type paced struct {
	mu sync.Mutex
	at []time.Time
}

func (p *paced) Perform(context.Context, steps.Call) steps.Outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = append(p.at, time.Now())
	return steps.Outcome{Result: json.RawMessage(`null`)}
}

func (p *paced) begun() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at[:len(p.at):len(p.at)]
}

// TestUsersOfAWorkflow measures how soon it is known which of 100,000 users may
// have a workflow, what that costs, and how evenly its cron trigger starts a run
// for each of them.
func TestUsersOfAWorkflow(t *testing.T) {
	n := size(2_000, 100_000)
	schedule, jitter := "*/10 * * * * *", 5*time.Second
	if *full {
		schedule, jitter = "0 * * * * *", 50*time.Second
	}
	w := newWorld(t)
	runs := &paced{}
	w.performer = runs
	d := w.start(daemon.RoleAPI)
	w.client(d).Close() // makes the project, and the key
	w.stop(d)
	_, err := w.pg.Exec(t.Context(), `INSERT INTO users (project, id, meta, disabled, generation, created_at, updated_at)
		SELECT $1, 'u_' || i, json_build_object('plan', CASE WHEN i % 10 = 0 THEN 'free' ELSE 'pro' END, 'name', 'User ' || i), false, 0, now(), now()
		FROM generate_series(1, $2::int) AS i`, schema.DefaultProject, n)
	must(t, err)
	allowed := n - n/10
	must(t, w.rdb.FlushAll(t.Context()).Err())
	began := time.Now()
	d = w.start(daemon.AllRoles...)
	c := w.client(d)
	defer c.Close()
	for known := int64(0); known < int64(n); known, err = w.rdb.DBSize(t.Context()).Result() {
		must(t, err)
		must(t, t.Context().Err())
		time.Sleep(5 * time.Millisecond) // a poll of what is measured in seconds
	}
	report(figure{Name: fmt.Sprintf("start until an empty Redis has %d users", n), Value: time.Since(began).Seconds(), Unit: "s"})

	before, used := w.redisMemory(), w.cpu()
	runtime.GC()
	heap := liveHeap()
	most := heap
	apply(t, c, fmt.Sprintf(digest, ""))
	began = time.Now()
	dir, wf := enrol.NewDirectory(w.rdb, nil), &cache.Workflow{Workflow: &workflows.Workflow{Name: "digest"}, Project: schema.DefaultProject, Revision: 1}
	for deadline := began.Add(5 * time.Minute); ; time.Sleep(5 * time.Millisecond) { // a poll: judging sends no signal
		most = max(most, liveHeap())
		if _, err = dir.Page(t.Context(), wf, 0, 1, 1); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	took := time.Since(began)
	runtime.GC()
	most = max(most, liveHeap())
	all := w.cpu()
	report(figure{Name: fmt.Sprintf("spec.users.allow judged for the first time, %d users", n), Value: took.Seconds(), Unit: "s",
		Note: fmt.Sprintf("%.0f users/s, %s", float64(n)/took.Seconds(), all.per(used, n))})
	report(figure{Name: "live heap of the process meanwhile, at each collection", Value: float64(most-heap) / (1 << 20), Unit: "MiB more", Bar: "does not grow with them"})
	report(figure{Name: "Redis memory of a user who has a workflow", Value: float64(w.redisMemory()-before) / float64(allowed), Unit: "bytes",
		Note: "half of it for ten minutes after a judging"})
	if found := everybody(t, dir, wf); found != allowed {
		t.Fatalf("%d users have it; want %d", found, allowed)
	}

	apply(t, c, fmt.Sprintf(digest, fmt.Sprintf(`{id: all, cron: {schedule: %q, jitter: %s}}`, schedule, jitter)))
	for deadline := time.Now().Add(5 * time.Minute); len(runs.begun()) < allowed; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("cron has begun %d runs; want %d", len(runs.begun()), allowed)
		}
	}
	busiest, first := 0, runs.begun()[0]
	seconds := map[int]int{}
	for _, at := range runs.begun()[:allowed] {
		s := int(at.Sub(first) / time.Second)
		seconds[s]++
		busiest = max(busiest, seconds[s])
	}
	share := float64(allowed) / jitter.Seconds()
	report(figure{Name: fmt.Sprintf("cron for %d users, spread over %s: runs begun in the busiest second", allowed, jitter), Value: float64(busiest), Unit: "runs",
		Floor: "an even share", Ratio: float64(busiest) / share, Bar: "2"})
	if busiest > allowed*3/4 {
		t.Errorf("%d of %d runs began within one second", busiest, allowed)
	}
	w.until(t.Context(), "runs", allowed)
	var users int
	must(t, w.pg.QueryRow(t.Context(), `SELECT count(DISTINCT user_id) FROM runs WHERE workflow = 'digest'`).Scan(&users))
	if users != allowed {
		t.Errorf("the first %d runs are for %d users", allowed, users)
	}
}

// liveHeap is what was in use at the latest collection, in bytes.
func liveHeap() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// everybody walks through all who have a workflow, as cron does, and counts them.
func everybody(t *testing.T, dir *enrol.Directory, wf *cache.Workflow) (n int) {
	t.Helper()
	for at := uint64(0); at < enrol.Slots; {
		page, err := dir.Page(t.Context(), wf, at, enrol.Slots, 500)
		must(t, err)
		n += len(page.Users)
		at = page.Next
	}
	return n
}
