package api

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"paragon/schema"
)

// Trigger starts a run of a workflow. With a wait above 0 the server holds its
// answer until the run ends or the wait (of which the server bounds the
// length) is over; the run's status tells which. A request without an
// idempotency key is given one, so that it may be repeated.
func (c *Client) Trigger(ctx context.Context, workflow string, req TriggerRequest, wait time.Duration) (*schema.Run, error) {
	r := &call{method: http.MethodPost, path: c.path("workflows", workflow, "runs"), key: req.IdempotencyKey, wait: wait}
	if r.key == "" {
		r.key = NewIdempotencyKey()
	}
	req.IdempotencyKey = ""
	if wait > 0 {
		r.query = url.Values{"wait": {schema.Duration(wait).String()}}
	}
	if err := r.json(req); err != nil {
		return nil, err
	}
	var run schema.Run
	r.into(&run)
	if err := c.do(ctx, r); err != nil {
		return nil, err
	}
	return &run, nil
}

// Runs returns a page of runs, newest first.
func (c *Client) Runs(ctx context.Context, q RunsQuery) (*List[schema.Run], error) {
	v := page(q.Cursor, q.Limit)
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("workflow", q.Workflow)
	set("user", q.User)
	set("error", q.Error)
	var status []string
	for _, s := range q.Status {
		status = append(status, string(s))
	}
	set("status", strings.Join(status, ","))
	if !q.Since.IsZero() {
		set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		set("until", q.Until.UTC().Format(time.RFC3339Nano))
	}
	return get[List[schema.Run]](ctx, c, c.path("runs"), v)
}

// AllRuns yields the runs of a query, newest first, page by page. It ends
// after the first error.
func (c *Client) AllRuns(ctx context.Context, q RunsQuery) iter.Seq2[schema.Run, error] {
	return pages(func(cursor string) (*List[schema.Run], error) {
		if cursor != "" {
			q.Cursor = cursor
		}
		return c.Runs(ctx, q)
	})
}

// Run returns a run. With a wait above 0 the server may hold its answer until
// the run has ended.
func (c *Client) Run(ctx context.Context, id string, wait time.Duration) (*schema.Run, error) {
	r := &call{method: http.MethodGet, path: c.path("runs", id), wait: wait}
	if wait > 0 {
		r.query = url.Values{"wait": {schema.Duration(wait).String()}}
	}
	var run schema.Run
	r.into(&run)
	if err := c.do(ctx, r); err != nil {
		return nil, err
	}
	return &run, nil
}

// Steps returns what is known of each step of a run, one record a path, in the
// order in which the steps began.
func (c *Client) Steps(ctx context.Context, id string) ([]schema.StepRecord, error) {
	var records []schema.StepRecord
	for record, err := range pages(func(cursor string) (*List[schema.StepRecord], error) {
		return get[List[schema.StepRecord]](ctx, c, c.path("runs", id, "steps"), page(cursor, 0))
	}) {
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return MergeSteps(records), nil
}

// Payload returns a large value of a run by its digest, as schema.Payload names
// it. The answer may have up to MaxResponse.
func (c *Client) Payload(ctx context.Context, id, digest string) (json.RawMessage, error) {
	value, err := get[json.RawMessage](ctx, c, c.path("runs", id, "payloads", digest), nil)
	if err != nil {
		return nil, err
	}
	return *value, nil
}

// MergeSteps joins the records of each path into one: the newest state, with
// the attempts of all. It keeps the order of the first record of each path.
func MergeSteps(records []schema.StepRecord) []schema.StepRecord {
	at := make(map[string]int, len(records))
	merged := make([]schema.StepRecord, 0, len(records))
	for _, r := range records {
		i, seen := at[r.Path]
		if !seen {
			at[r.Path] = len(merged)
			merged = append(merged, r)
			continue
		}
		before := merged[i]
		known := make(map[int]bool, len(before.Attempts))
		attempts := append([]schema.Attempt(nil), before.Attempts...)
		for _, a := range attempts {
			known[a.Number] = true
		}
		for _, a := range r.Attempts {
			if !known[a.Number] {
				attempts = append(attempts, a)
			}
		}
		r.Attempts = attempts
		if r.StartedAt.IsZero() || !before.StartedAt.IsZero() && before.StartedAt.Before(r.StartedAt) {
			r.StartedAt = before.StartedAt
		}
		merged[i] = r
	}
	return merged
}

// WaitRun waits until a run has ended. It returns when the context ends, with
// the context's error and the run as it was last seen (nil before the first
// answer).
func (c *Client) WaitRun(ctx context.Context, id string) (*schema.Run, error) {
	// The server may hold each answer; where it doesn't, the pause between
	// questions grows, so that short runs are seen at once and long ones cost
	// little.
	const hold, longest = 20 * time.Second, 2 * time.Second
	var last *schema.Run
	for pause := 50 * time.Millisecond; ; pause = min(pause*3/2, longest) {
		asked := time.Now()
		run, err := c.Run(ctx, id, hold)
		if err != nil {
			return last, err
		}
		last = run
		if run.Status.Ended() {
			return run, nil
		}
		if !sleep(ctx, pause-min(time.Since(asked), pause)) {
			return last, context.Cause(ctx)
		}
	}
}

// Cancel stops a run: at once between steps, and the request in flight too. A
// run that has ended already is a conflict.
func (c *Client) Cancel(ctx context.Context, id string) (*schema.Run, error) {
	// Without a key, so that it works while Postgres is away.
	return postOnce[schema.Run](ctx, c, c.path("runs", id, "cancel"), nil)
}

// Replay starts a new run with the input of an earlier one: from the start, or
// from a step, with the earlier results of the steps before it.
func (c *Client) Replay(ctx context.Context, id string, req ReplayRequest) (*schema.Run, error) {
	return post[schema.Run](ctx, c, c.path("runs", id, "replay"), req)
}

// CountReplay tells how many runs a replay of a filter would be about.
func (c *Client) CountReplay(ctx context.Context, f RunsFilter) (*RunsCount, error) {
	return c.count(ctx, "replay", BulkReplayRequest{RunsFilter: f, DryRun: true})
}

// CountCancel tells how many runs a cancel of a filter would be about.
func (c *Client) CountCancel(ctx context.Context, f RunsFilter) (*RunsCount, error) {
	return c.count(ctx, "cancel", BulkCancelRequest{RunsFilter: f, DryRun: true})
}

func (c *Client) count(ctx context.Context, kind string, req any) (*RunsCount, error) {
	return send[RunsCount](ctx, c, &call{method: http.MethodPost, path: c.path("runs", kind), wait: bulkWait, again: true}, req)
}

// bulkWait is what counting many runs may take beyond an ordinary request.
const bulkWait = time.Minute

// ReplayMany begins to replay all the runs that a filter selects, from a step
// or (empty) from the start.
func (c *Client) ReplayMany(ctx context.Context, f RunsFilter, from string) (*Operation, error) {
	return post[Operation](ctx, c, c.path("runs", "replay"), BulkReplayRequest{RunsFilter: f, From: from})
}

// CancelMany begins to cancel all the runs that a filter selects.
func (c *Client) CancelMany(ctx context.Context, f RunsFilter) (*Operation, error) {
	return post[Operation](ctx, c, c.path("runs", "cancel"), BulkCancelRequest{RunsFilter: f})
}

// Operation returns an operation as it is now.
func (c *Client) Operation(ctx context.Context, id string) (*Operation, error) {
	return get[Operation](ctx, c, c.path("operations", id), nil)
}

// Operations lists a page of operations, newest first.
func (c *Client) Operations(ctx context.Context, cursor string, limit int) (*List[Operation], error) {
	return get[List[Operation]](ctx, c, c.path("operations"), page(cursor, limit))
}

// CancelOperation ends an operation; what it has done stays done.
func (c *Client) CancelOperation(ctx context.Context, id string) (*Operation, error) {
	return post[Operation](ctx, c, c.path("operations", id, "cancel"), nil)
}
