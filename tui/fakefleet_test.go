package tui

import (
	"context"
	"testing"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

func (f *fake) Queues(context.Context) (*api.List[api.Queue], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	page := &api.List[api.Queue]{}
	for i, name := range []string{"0/high", "0/normal", "0/low", "1/high", "1/normal", "1/low"} {
		q := api.Queue{Name: name, Lane: i / 3, Priority: schema.Priority(name[2:]), Paused: f.paused["queue/"+name]}
		if i%3 == 1 {
			q.Runs, q.Oldest = int64(1200*i), noon.Add(-time.Duration(40*i)*time.Second)
		}
		page.Items = append(page.Items, q)
	}
	return page, f.ask("queues")
}

func (f *fake) InvalidCredentials(context.Context) (*api.List[api.Credential], error) {
	return &api.List[api.Credential]{Items: []api.Credential{
		{User: "u_1042", Integration: "crm", Account: "default", Kind: "oauth2", Status: "invalid", UpdatedAt: noon.Add(-12 * time.Minute),
			Reason: "the authorization server refuses the refresh token: invalid_grant"},
		{Integration: "mail", Account: "default", Kind: "oauth2", Status: "invalid", UpdatedAt: noon.Add(-3 * time.Hour), Reason: "the API refused the token"},
	}}, f.ask("credentials")
}

func (f *fake) PausedWorkflows(context.Context) (*api.List[api.PausedWorkflow], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	page := &api.List[api.PausedWorkflow]{}
	if f.paused["workflow/nightly"] {
		page.Items = []api.PausedWorkflow{{Workflow: "nightly", Since: noon.Add(-3 * time.Minute), By: "ana", Held: 42}}
	}
	return page, f.ask("paused")
}

// steer pauses or resumes what is named by kind and name.
func (f *fake) steer(what string, paused bool) error {
	word := "resume "
	if paused {
		word = "pause "
	}
	_, err := f.do("%s", word+what)
	if err == nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.paused[what] = paused
	}
	return err
}

func (f *fake) PauseQueue(_ context.Context, name string) error { return f.steer("queue/"+name, true) }
func (f *fake) ResumeQueue(_ context.Context, name string) error {
	return f.steer("queue/"+name, false)
}
func (f *fake) PauseWorkflow(_ context.Context, name string) error {
	return f.steer("workflow/"+name, true)
}
func (f *fake) ResumeWorkflow(_ context.Context, name string) error {
	return f.steer("workflow/"+name, false)
}

func (f *fake) Workers(context.Context) (*api.List[api.Worker], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &api.List[api.Worker]{Items: []api.Worker{
		{ID: "worker-7d9f-1.4711", LastSeen: noon.Add(500 * time.Millisecond), Alive: true, Running: 120},
		{ID: "worker-7d9f-2.4712", LastSeen: noon.Add(300 * time.Millisecond), Alive: true, Running: 87},
		{ID: "worker-5c1a-9.99", LastSeen: noon.Add(-42 * time.Second), Running: 3},
	}}, f.ask("workers")
}

// WorkerRuns says that the second worker has all runs that have not ended.
func (f *fake) WorkerRuns(_ context.Context, worker, _ string, _ int) (*api.List[schema.Run], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	page := &api.List[schema.Run]{}
	for _, r := range f.runs {
		if worker == "worker-7d9f-2.4712" && !r.Status.Ended() {
			page.Items = append(page.Items, r)
		}
	}
	return page, f.ask("runs of %s", worker)
}

// A worker is opened to see what it has, and that is opened in turn.
func TestWhatAWorkerHas(t *testing.T) {
	r := newRig(t, some())
	r.goTo(":workers⏎⏎")
	r.shows("runs of worker-7d9f-1.4711", "It has no runs of this project now.")
	r.press("esc", "j", "enter")
	r.shows("workers > runs of worker-7d9f-2.4712", "running", "x cancel")
	r.press("x")
	r.shows("Cancel run")
	r.press("n", "enter")
	r.shows("timeline")
}
