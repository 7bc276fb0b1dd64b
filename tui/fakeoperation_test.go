package tui

import (
	"context"
	"strings"
	"testing"

	"paragon/schema/api"
)

// matched counts the runs that an operation would be about.
func (f *fake) matched(which api.RunsFilter) (*api.RunsCount, error) {
	page, err := f.Runs(context.Background(), api.RunsQuery{Status: which.Status, Workflow: which.Workflow, Error: which.Error, Limit: 1000})
	return &api.RunsCount{DryRun: true, Matched: len(page.Items)}, err
}

func (f *fake) CountReplay(_ context.Context, which api.RunsFilter) (*api.RunsCount, error) {
	return f.matched(which)
}

func (f *fake) CountCancel(_ context.Context, which api.RunsFilter) (*api.RunsCount, error) {
	return f.matched(which)
}

func (f *fake) begin(kind string, which api.RunsFilter) (*api.Operation, error) {
	found, _ := f.matched(which)
	var words []string
	for _, s := range which.Status {
		words = append(words, string(s))
	}
	_, err := f.do("%s all %s", kind, strings.Join(words, ","))
	f.op = api.Operation{ID: "op1", Kind: kind, State: api.OperationRunning, Total: int64(found.Matched)}
	op := f.op
	return &op, err
}

func (f *fake) ReplayMany(_ context.Context, which api.RunsFilter, _ string) (*api.Operation, error) {
	return f.begin("replay", which)
}

func (f *fake) CancelMany(_ context.Context, which api.RunsFilter) (*api.Operation, error) {
	return f.begin("cancel", which)
}

// Operation tells of an operation that has done two more runs each time.
func (f *fake) Operation(_ context.Context, id string) (*api.Operation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.op.Done = min(f.op.Done+2, f.op.Total); f.op.Done == f.op.Total {
		f.op.State = api.OperationDone
	}
	op := f.op
	return &op, f.ask("operation %s", id)
}

func (f *fake) CancelOperation(_ context.Context, id string) (*api.Operation, error) {
	_, err := f.do("end %s", id)
	f.op.State, f.op.Done = api.OperationCanceled, 4
	op := f.op
	return &op, err
}

// The server does it to all that match while the reader looks at how far it is.
func TestAnOperationIsFollowed(t *testing.T) {
	r := runsRig(t, some())
	r.press("a", "R", "y")
	r.shows("replay 6 runs: 0 of 6", "ctrl+x stops")
	r.frame()
	r.shows("replay 6 runs: 2 of 6")
	r.press("r")
	r.shows("one job at a time")
	for range 8 { // the note goes by itself, too
		r.frame()
	}
	r.shows("replay 6 runs: 6 of 6, done", "esc hides this")
	r.press("esc", "esc") // the first no longer means all runs
	r.shows("!replay 6 runs")
}
