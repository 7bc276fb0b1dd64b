package tui

import (
	"context"
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
