package httpapi

import (
	"context"
	"fmt"
	"sync"
	"time"

	"paragon/schema/api"
)

// fakeOperations remembers the operations that were asked for.
type fakeOperations struct {
	mu  sync.Mutex
	ops []*api.Operation
}

func (f *fakeOperations) CountRuns(context.Context, string, string, api.RunsFilter) (int, error) {
	return 5, nil
}

func (f *fakeOperations) StartOperation(_ context.Context, _, kind string, filter api.RunsFilter, from, actor string) (*api.Operation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now().UTC()
	op := &api.Operation{ID: fmt.Sprintf("o%d", len(f.ops)), Kind: kind, State: api.OperationQueued, Filter: filter, From: from, By: actor, CreatedAt: now, UpdatedAt: now}
	f.ops = append(f.ops, op)
	return op, nil
}

func (f *fakeOperations) Operation(_ context.Context, _, id string) (*api.Operation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, op := range f.ops {
		if op.ID == id {
			return op, nil
		}
	}
	return nil, notFound("operation %q does not exist", id)
}

func (f *fakeOperations) Operations(context.Context, string, string, int) (api.List[api.Operation], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := api.List[api.Operation]{Items: []api.Operation{}}
	for _, op := range f.ops {
		list.Items = append(list.Items, *op)
	}
	return list, nil
}

func (f *fakeOperations) CancelOperation(ctx context.Context, project, id string) (*api.Operation, error) {
	op, err := f.Operation(ctx, project, id)
	if err == nil {
		op.State = api.OperationCanceled
	}
	return op, err
}
