package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"paragon/engine/store"
	"paragon/schema"
)

func testListRuns(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	// 90 runs, 40 minutes apart, over three days.
	statuses := []schema.RunStatus{schema.RunSucceeded, schema.RunSucceeded, schema.RunFailed, schema.RunSucceeded, schema.RunCanceled}
	batch := store.LogBatch{Stream: "s", To: "1"}
	for n := range 90 {
		r := endedRun(epoch.Add(time.Duration(n)*40*time.Minute), n, statuses[n%len(statuses)])
		r.Workflow = fmt.Sprintf("w%d", n%3)
		if n%10 == 9 {
			r.Project = "elsewhere"
		}
		batch.Runs = append(batch.Runs, r)
	}
	write(t, s, batch)
	newest := slices.Clone(batch.Runs)
	slices.Reverse(newest)
	at := func(n int) time.Time { return batch.Runs[n].CreatedAt }

	for name, q := range map[string]store.RunQuery{
		"all":                    {Project: project},
		"elsewhere":              {Project: "elsewhere"},
		"nowhere":                {Project: "nowhere"},
		"a few":                  {Project: project, Limit: 7},
		"a workflow":             {Project: project, Workflow: "w1"},
		"no workflow":            {Project: project, Workflow: "w9"},
		"failed":                 {Project: project, Status: []schema.RunStatus{schema.RunFailed}},
		"failed, a few":          {Project: project, Status: []schema.RunStatus{schema.RunFailed}, Limit: 3},
		"failed or canceled":     {Project: project, Status: []schema.RunStatus{schema.RunCanceled, schema.RunFailed, schema.RunFailed}},
		"succeeded or canceled":  {Project: project, Status: []schema.RunStatus{schema.RunCanceled, schema.RunSucceeded}},
		"all statuses":           {Project: project, Status: schema.RunStatuses},
		"failed or running":      {Project: project, Status: []schema.RunStatus{schema.RunRunning, schema.RunFailed}},
		"running":                {Project: project, Status: []schema.RunStatus{schema.RunRunning, schema.RunQueued}},
		"unknown status":         {Project: project, Status: []schema.RunStatus{"' OR true --"}},
		"since":                  {Project: project, Since: at(30)},
		"since a moment later":   {Project: project, Since: at(30).Add(time.Microsecond)},
		"until":                  {Project: project, Until: at(30)},
		"until a moment later":   {Project: project, Until: at(30).Add(time.Microsecond)},
		"between":                {Project: project, Since: at(30), Until: at(50)},
		"an empty span":          {Project: project, Since: at(50), Until: at(30)},
		"before":                 {Project: project, Before: batch.Runs[40].ID, Limit: 5},
		"before all":             {Project: project, Before: "r"},
		"a user":                 {Project: project, User: "u_2", Limit: 6},
		"a user's failed":        {Project: project, User: "u_2", Status: []schema.RunStatus{schema.RunFailed}},
		"no such user":           {Project: project, User: "u_"},
		"everything at once":     {Project: project, Workflow: "w2", Status: []schema.RunStatus{schema.RunFailed}, Since: at(5), Until: at(80), Before: batch.Runs[70].ID, Error: "503", Limit: 2},
		"a workflow with a past": {Project: project, Workflow: "w0", Since: at(20), Until: at(40), Limit: 4},
	} {
		t.Run(name, func(t *testing.T) {
			want := []string{}
			for _, r := range newest {
				if matches(r, q) && (len(want) < q.Limit || q.Limit == 0) {
					want = append(want, r.ID)
				}
			}
			equal(t, "runs", ids(got(s.ListRuns(ctx, q))(t)), want)
		})
	}
	equal(t, "a listed run", got(s.ListRuns(ctx, store.RunQuery{Project: "elsewhere", Limit: 1}))(t)[0], newest[0])

	// Page by page, all runs come, each once.
	var paged []string
	for q := (store.RunQuery{Project: project, Limit: 13}); ; {
		page := got(s.ListRuns(ctx, q))(t)
		if len(page) == 0 {
			break
		}
		paged = append(paged, ids(page)...)
		q.Before = page[len(page)-1].ID
	}
	all := got(s.ListRuns(ctx, store.RunQuery{Project: project, Limit: 90}))(t)
	equal(t, "all pages", paged, ids(all))

	// A bound of bytes ends a page with the run that passes it.
	var bytes int64
	for i, run := range all {
		bytes += int64(len(run.Input) + len(run.Output))
		if i > 0 && i < 20 && bytes > 0 {
			q := store.RunQuery{Project: project, Limit: 90, Bytes: bytes}
			page := got(s.ListRuns(ctx, q))(t)
			if len(page) > i+1 || !q.Full(page) {
				t.Errorf("%d bytes: %d runs, of which %d have as many; full: %v", bytes, len(page), i+1, q.Full(page))
			}
			equal(t, "the bounded page", ids(page), ids(all[:len(page)]))
		}
	}
	q := store.RunQuery{Project: project, Limit: 90, Bytes: 1 << 40}
	equal(t, "within the bound", ids(got(s.ListRuns(ctx, q))(t)), ids(all))
}

// matches is what a query means, in Go.
func matches(r schema.Run, q store.RunQuery) bool {
	return r.Project == q.Project &&
		(q.Workflow == "" || r.Workflow == q.Workflow) &&
		(len(q.Status) == 0 || slices.Contains(q.Status, r.Status)) &&
		(q.Since.IsZero() || !r.CreatedAt.Before(q.Since)) &&
		(q.Until.IsZero() || r.CreatedAt.Before(q.Until)) &&
		(q.User == "" || r.User == q.User) &&
		(q.Error == "" || r.Error != nil && strings.Contains(strings.ToLower(r.Error.Message), strings.ToLower(q.Error))) &&
		(q.Before == "" || r.ID < q.Before)
}

func testListByError(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	batch := store.LogBatch{Stream: "s", To: "1"}
	for n, message := range []string{"CRM said 503", "crm said 503", "100% of ÜBER_limit", "100 percent", `back\slash`, ""} {
		r := endedRun(epoch, n, schema.RunFailed)
		r.Error.Message = message
		batch.Runs = append(batch.Runs, r)
	}
	canceled := endedRun(epoch, 6, schema.RunCanceled)
	canceled.Error = &schema.RunError{Type: "canceled", Message: "canceled: CRM"}
	batch.Runs = append(batch.Runs, canceled, endedRun(epoch, 7, schema.RunSucceeded))
	write(t, s, batch)
	for text, want := range map[string][]int{
		"503": {1, 0}, "Crm": {6, 1, 0}, "%": {2}, "_": {2}, "über_": {2}, "100": {3, 2}, `K\S`: {4}, "nothing": nil, "'; --": nil,
	} {
		wantIDs := []string{}
		for _, n := range want {
			wantIDs = append(wantIDs, runID(epoch, n))
		}
		equal(t, "runs with "+text, ids(got(s.ListRuns(ctx, store.RunQuery{Project: project, Error: text}))(t)), wantIDs)
	}
}
