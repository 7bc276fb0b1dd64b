package httpapi

import (
	"context"
	"slices"
	"testing"
	"time"

	"paragon/schema/api"
)

// fakeSteering notes what it is asked for.
type fakeSteering struct{ asked []string }

func (f *fakeSteering) Queues(context.Context) ([]api.Queue, error) {
	return []api.Queue{{Name: "0/high", Priority: "high", Runs: 3, Oldest: time.Unix(1531420618, 0).UTC(), Paused: true}}, nil
}

func (f *fakeSteering) PauseQueue(_ context.Context, name, actor string) error {
	f.asked = append(f.asked, "pause queue "+name+" by "+actor)
	return nil
}

func (f *fakeSteering) ResumeQueue(_ context.Context, name string) error {
	f.asked = append(f.asked, "resume queue "+name)
	return nil
}

func (f *fakeSteering) PausedWorkflows(_ context.Context, project string) ([]api.PausedWorkflow, error) {
	return []api.PausedWorkflow{{Workflow: "w", By: project, Held: 7}}, nil
}

func (f *fakeSteering) PauseWorkflow(_ context.Context, project, name, actor string) error {
	f.asked = append(f.asked, "pause workflow "+project+"/"+name+" by "+actor)
	return nil
}

func (f *fakeSteering) ResumeWorkflow(_ context.Context, project, name string) error {
	f.asked = append(f.asked, "resume workflow "+project+"/"+name)
	return nil
}

func TestSteering(t *testing.T) {
	r := newRig(t)
	const base = "/v1/projects/default"
	var queues api.List[api.Queue]
	want(t, r.do("viewer", "GET", base+"/queues", ""), 200, &queues)
	if len(queues.Items) != 1 || queues.Items[0].Runs != 3 || !queues.Items[0].Paused {
		t.Errorf("queues: %+v", queues)
	}
	var paused api.List[api.PausedWorkflow]
	want(t, r.do("viewer", "GET", base+"/paused", ""), 200, &paused)
	if len(paused.Items) != 1 || paused.Items[0].By != "default" {
		t.Errorf("paused: %+v", paused)
	}
	for _, path := range []string{"/queues/0/high/pause", "/queues/0/high/resume", "/workflows/w/pause", "/workflows/w/resume"} {
		wantProblem(t, r.do("viewer", "POST", base+path, ""), 403, "")
		want(t, r.do("operator", "POST", base+path, ""), 204, nil)
	}
	// The queues are the installation's.
	wantProblem(t, r.do("other", "POST", "/v1/projects/elsewhere/queues/0/high/pause", ""), 403, "all projects")
	want(t, r.do("other", "POST", "/v1/projects/elsewhere/workflows/w/pause", ""), 204, nil)
	if wanted := []string{"pause queue 0/high by operator", "resume queue 0/high", "pause workflow default/w by operator",
		"resume workflow default/w", "pause workflow elsewhere/w by other"}; !slices.Equal(r.runs.asked, wanted) {
		t.Errorf("asked for %q; want %q", r.runs.asked, wanted)
	}
}
