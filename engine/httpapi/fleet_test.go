package httpapi

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"paragon/schema/api"
)

type fakeFleet struct {
	workers []api.Worker
	err     error
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
	r.fleet.err = errors.New("redis is away")
	wantProblem(t, r.do("viewer", "GET", base+"/workers", ""), 500, "")
}
