package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"paragon/engine/execution"
	"paragon/schema"
	"paragon/workflows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a Redis, an execution plane that only keeps a list, and a clock that
// stands still until it is moved.
type rig struct {
	t       *testing.T
	redis   *miniredis.Miniredis
	entries []*entry
	all     bool

	mu       sync.Mutex
	now      time.Time
	fired    []string          // "trigger time" of each run that was started
	byKey    map[string]string // run by idempotency key
	ended    map[string]bool
	canceled []string
	fail     error
	told     chan string // gets what is fired
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, redis: miniredis.RunT(t), all: true, now: date("2026-05-04T12:00:00Z"), byKey: map[string]string{}, ended: map[string]bool{}, told: make(chan string, 1000)}
	return r
}

func date(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

// trigger adds a cron trigger, given as the YAML of its settings, and replaces
// one of the same id.
func (r *rig) trigger(id, cron string) {
	r.t.Helper()
	docs, diags := workflows.Parse(workflows.Source{File: "w.yaml", Data: []byte("apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: w}\nspec:\n  triggers:\n    - id: " + id +
		"\n      cron: " + cron + "\n  steps: [{id: a, set: {b: 1}}]\n")})
	if diags.HasErrors() {
		r.t.Fatal(diags)
	}
	w, diags := docs[0].Compile()
	if w == nil {
		r.t.Fatal(diags)
	}
	tr := w.Triggers[id]
	parsed, err := workflows.ParseSchedule(tr.Spec.Cron.Schedule, tr.Spec.Cron.Timezone)
	if err != nil {
		r.t.Fatal(err)
	}
	e := &entry{project: "default", workflow: "w", trigger: tr, spec: tr.Spec.Cron, cron: parsed}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.entries {
		if r.entries[i].id() == e.id() {
			r.entries[i] = e
			return
		}
	}
	r.entries = append(r.entries, e)
}

// scheduler makes one that is not started.
func (r *rig) scheduler(id string) *Scheduler {
	rdb := redis.NewClient(&redis.Options{Addr: r.redis.Addr()})
	r.t.Cleanup(func() { _ = rdb.Close() })
	s := New(Options{Redis: rdb, Runs: r, ID: id, Now: r.clock})
	s.entries = func() ([]*entry, bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return slices.Clone(r.entries), r.all
	}
	s.subscribe = func(func()) func() { return func() {} }
	return s
}

// round lets a scheduler look once, at a time, and returns what was fired in it.
func (r *rig) round(s *Scheduler, at time.Time) []string {
	r.t.Helper()
	r.mu.Lock()
	r.now, r.fired = at, nil
	r.mu.Unlock()
	if _, err := s.round(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return r.fired
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) Trigger(_ context.Context, req execution.Request) (*schema.Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return nil, r.fail
	}
	key := req.Project + "/" + req.Workflow + "/" + req.IdempotencyKey
	if id, ok := r.byKey[key]; ok {
		return &schema.Run{ID: id}, nil
	}
	id := fmt.Sprintf("run%d", len(r.byKey)+1)
	r.byKey[key] = id
	key = fmt.Sprintf("cron/%s/%d", req.Trigger.ID, req.Trigger.Time.Unix())
	if req.For != nil {
		key += "/" + req.For.ID
	}
	if req.Trigger.Kind != "cron" || req.IdempotencyKey != key {
		r.t.Errorf("request %+v", req)
	}
	fired := req.Trigger.ID + " " + req.Trigger.Time.Format(time.RFC3339)
	if req.For != nil {
		fired = req.For.ID + " " + string(req.Input)
	}
	r.fired = append(r.fired, fired)
	select {
	case r.told <- fired:
	default:
	}
	return &schema.Run{ID: id}, nil
}

func (r *rig) Live(_ context.Context, _, id string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.ended[id], nil
}

func (r *rig) Cancel(_ context.Context, _, id, _ string) (*schema.Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended[id] {
		return nil, &schema.Problem{Type: schema.ProblemConflict, Status: 409}
	}
	r.ended[id] = true
	r.canceled = append(r.canceled, id)
	return &schema.Run{ID: id}, nil
}

func (r *rig) end(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended[id] = true
}

func (r *rig) refuse(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = err
}

// expect compares what was fired with times of the day.
func (r *rig) expect(what string, got []string, want ...string) {
	r.t.Helper()
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		r.t.Errorf("%s: fired %v, want %v", what, got, want)
	}
}

// mark is what Redis knows of a trigger.
func (r *rig) mark(id string) (m mark) {
	r.t.Helper()
	text := r.redis.HGet(marksKey, "default/w/"+id)
	if text == "" {
		return m
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		r.t.Fatal(err)
	}
	return m
}

var errAway = errors.New("away")
