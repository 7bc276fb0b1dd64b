package tui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// noon is when the tests take place.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// fake is a server in memory.
type fake struct {
	mu    sync.Mutex
	runs  []schema.Run // newest first
	steps map[string][]schema.StepRecord
	role  string
	// paused are the queues and workflows that are, by kind/name.
	paused map[string]bool
	// err is what every call fails with.
	err error
	// clock is its time, ticks the seconds that a stream tells of.
	clock func() time.Time
	ticks chan time.Time
	// op is what it does to many runs.
	op api.Operation
	// calls are the calls that change something, asked those that read.
	calls, asked []string
}

// runID is the id of the nth run.
func runID(n int) string { return fmt.Sprintf("r%024d01", n) }

func newFake() *fake {
	return &fake{steps: map[string][]schema.StepRecord{}, role: "operator", paused: map[string]bool{},
		clock: func() time.Time { return noon }, ticks: make(chan time.Time)}
}

// add puts a run in front.
func (f *fake) add(n int, workflow string, status schema.RunStatus, message string) *schema.Run {
	at := noon.Add(-time.Hour + time.Duration(n)*time.Second)
	r := schema.Run{ID: runID(n), Project: "default", Workflow: workflow, Revision: 3, Status: status, CreatedAt: at, StartedAt: &at,
		Trigger: schema.Trigger{Kind: "manual", Time: at}, Input: json.RawMessage(`{"email":"a@example.com"}`), Attempts: 1}
	if status.Ended() {
		end := at.Add(1500 * time.Millisecond)
		r.EndedAt = &end
	}
	if message != "" {
		r.Error = &schema.RunError{Type: "http", Message: message, Status: 503, Step: "push"}
	}
	f.runs = append([]schema.Run{r}, f.runs...)
	return &f.runs[0]
}

func (f *fake) ask(format string, args ...any) error {
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
	return f.err
}

func (f *fake) Server() string  { return "http://127.0.0.1:7420" }
func (f *fake) Project() string { return "default" }

func (f *fake) WhoAmI(context.Context) (*api.Identity, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &api.Identity{Name: "test", Role: f.role}, f.ask("whoami")
}

func (f *fake) Get(_ context.Context, ref schema.Ref) (*api.StoredResource, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &api.StoredResource{Resource: schema.Resource{Kind: ref.Kind, Metadata: schema.Metadata{Name: ref.Name}}}, f.ask("get %s", ref)
}

func (f *fake) List(_ context.Context, kind schema.Kind, _ string, _ int) (*api.List[api.StoredResource], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := map[string]bool{}
	for _, r := range f.runs {
		names[r.Workflow] = true
	}
	page := &api.List[api.StoredResource]{}
	for name := range names {
		page.Items = append(page.Items, api.StoredResource{Resource: schema.Resource{Kind: kind, Metadata: schema.Metadata{Name: name}},
			Status: api.ResourceStatus{Revision: 3, UpdatedAt: noon.Add(-26 * time.Hour), UpdatedBy: "ana"}})
	}
	slices.SortFunc(page.Items, func(x, y api.StoredResource) int { return strings.Compare(x.Metadata.Name, y.Metadata.Name) })
	return page, f.ask("list %s", kind)
}

func (f *fake) Runs(_ context.Context, q api.RunsQuery) (*api.List[schema.Run], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	page := &api.List[schema.Run]{Items: []schema.Run{}}
	for _, r := range f.runs {
		switch {
		case q.Cursor != "" && r.ID >= q.Cursor,
			q.Workflow != "" && r.Workflow != q.Workflow,
			q.User != "" && r.User != q.User,
			len(q.Status) > 0 && !slices.Contains(q.Status, r.Status),
			!q.Since.IsZero() && r.CreatedAt.Before(q.Since),
			!q.Until.IsZero() && !r.CreatedAt.Before(q.Until),
			q.Error != "" && (r.Error == nil || !strings.Contains(r.Error.Message, q.Error)):
			continue
		}
		if len(page.Items) == q.Limit {
			page.NextCursor = page.Items[q.Limit-1].ID
			break
		}
		page.Items = append(page.Items, r)
	}
	return page, f.ask("runs")
}

func (f *fake) Run(_ context.Context, id string, _ time.Duration) (*schema.Run, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ask("run %s", id); err != nil {
		return nil, err
	}
	for i := range f.runs {
		if f.runs[i].ID == id {
			r := f.runs[i]
			return &r, nil
		}
	}
	return nil, &schema.Problem{Status: http.StatusNotFound, Type: schema.ProblemNotFound, Title: "Not Found", Detail: "there is no run " + id}
}

func (f *fake) Steps(_ context.Context, id string) ([]schema.StepRecord, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.steps[id]), f.ask("steps %s", id)
}

func (f *fake) do(format string, args ...any) (*schema.Run, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	call := fmt.Sprintf(format, args...)
	f.calls = append(f.calls, call)
	if f.err != nil {
		return nil, f.err
	}
	if strings.Contains(call, runID(13)) {
		return nil, errors.New("run 13 is unlucky")
	}
	return &schema.Run{}, nil
}

func (f *fake) Cancel(_ context.Context, id string) (*schema.Run, error) {
	return f.do("cancel %s", id)
}

func (f *fake) Replay(_ context.Context, id string, req api.ReplayRequest) (*schema.Run, error) {
	return f.do("replay %s from %q", id, req.From)
}

// gone is what a call to a server fails with that is not there.
var gone = &api.UnreachableError{Server: "http://127.0.0.1:7420", Err: syscall.ECONNREFUSED}

func (f *fake) Audit(context.Context, api.AuditQuery) (*api.List[api.AuditRecord], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &api.List[api.AuditRecord]{Items: []api.AuditRecord{
		{ID: 2, At: noon.Add(-time.Minute), Actor: "ana", Action: "update", Object: "workflow/lead-sync", Outcome: "done", From: "10.1.2.3:5001",
			Detail: json.RawMessage(`{"changes":[{"field":"spec.timeout"}]}`)},
		{ID: 1, At: noon.Add(-time.Hour), Actor: "ci", Action: "config.write", Object: "secret/HOOK\x1b[2J", Outcome: "refused", From: "10.1.2.4:5001"},
	}}, f.ask("audit")
}
