package httpapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

type fakeFleet struct {
	workers []api.Worker
	runs    api.List[schema.Run]
	asked   string
	err     error
}

func (f *fakeFleet) WorkerRuns(_ context.Context, project, worker, cursor string, limit int) (api.List[schema.Run], error) {
	f.asked = fmt.Sprintf("%s %s %q %d", project, worker, cursor, limit)
	return f.runs, f.err
}

func (f *fakeFleet) Workers(context.Context) ([]api.Worker, error) { return f.workers, f.err }

func TestFleetRoutes(t *testing.T) {
	r := newRig(t)
	rec := r.do("viewer", "GET", base+"/workers", "")
	var got api.List[api.Worker]
	want(t, rec, 200, &got)
	if got.Items == nil || len(got.Items) != 0 {
		t.Errorf("no workers are an empty list: %s", rec.Body)
	}
	r.fleet.workers = []api.Worker{{ID: "w1", LastSeen: time.Unix(1, 0).UTC(), Alive: true, Running: 7}, {ID: "w2", LastSeen: time.Unix(2, 0).UTC()}}
	want(t, r.do("viewer", "GET", base+"/workers", ""), 200, &got)
	if !slices.Equal(got.Items, r.fleet.workers) {
		t.Errorf("workers: %+v", got.Items)
	}
	r.fleet.runs.Items = []schema.Run{{ID: "r1"}}
	var runs api.List[schema.Run]
	want(t, r.do("viewer", "GET", base+"/workers/host-1.47/runs?cursor=r9&limit=7", ""), 200, &runs)
	if r.fleet.asked != `default host-1.47 "r9" 7` || len(runs.Items) != 1 || runs.Items[0].ID != "r1" {
		t.Errorf("asked for %s, got %+v", r.fleet.asked, runs)
	}
	wantProblem(t, r.do("viewer", "GET", base+"/workers/w1/runs?limit=x", ""), 400, "")
	r.fleet.err = errors.New("redis is away")
	wantProblem(t, r.do("viewer", "GET", base+"/workers", ""), 500, "")
}
