package storetest

import (
	"testing"
	"time"

	"paragon/engine/store"
	"paragon/schema"
)

// proxyCall is a call with all its fields set, the n-th of a time.
func proxyCall(at time.Time, n int) schema.ProxyCall {
	return schema.ProxyCall{
		ID: "p" + runID(at, n)[1:], Project: project, Integration: "crm", User: "u_1", Account: "main", Actor: "backend",
		Method: "PATCH", Path: "/contacts/7%2F8", Status: 502, ErrorType: schema.ProxyErrorNetwork, Error: "connection refused",
		Sent: 12, Received: 1 << 40, Attempts: 3, StartedAt: at, DurationMs: 12.345, TraceID: "ab", Job: "j1",
	}
}

func callIDs(calls []schema.ProxyCall) []string {
	out := []string{}
	for _, c := range calls {
		out = append(out, c.ID)
	}
	return out
}

func testProxyCalls(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	whole := proxyCall(epoch, 1)
	bare := schema.ProxyCall{ID: proxyCall(epoch.Add(time.Hour), 2).ID, Project: project, Integration: "mail", Method: "GET", Status: 200, StartedAt: epoch.Add(time.Hour)}
	missing := bare
	missing.ID, missing.Status, missing.StartedAt = proxyCall(epoch.Add(26*time.Hour), 3).ID, 404, epoch.Add(26*time.Hour)
	foreign := proxyCall(epoch, 4)
	foreign.Project = "elsewhere"
	hostile := proxyCall(epoch.Add(27*time.Hour), 5)
	hostile.Path, hostile.Integration = "/a\x00b\xff", "mail"
	write(t, s, store.LogBatch{Stream: "lane-1", To: "1", Runs: []schema.Run{endedRun(epoch, 1, schema.RunSucceeded)},
		ProxyCalls: []schema.ProxyCall{whole, bare, missing, foreign, hostile}})

	list := func(q store.ProxyCallQuery) []schema.ProxyCall {
		q.Project = project
		return got(s.ListProxyCalls(ctx, q))(t)
	}
	all := list(store.ProxyCallQuery{})
	hostile.Path = "/a\ufffdb\ufffd"
	equal(t, "all, newest first", all, []schema.ProxyCall{hostile, missing, bare, whole})
	for name, test := range map[string]struct {
		query store.ProxyCallQuery
		want  []schema.ProxyCall
	}{
		"of an integration":  {store.ProxyCallQuery{Integration: "mail"}, []schema.ProxyCall{hostile, missing, bare}},
		"of a user":          {store.ProxyCallQuery{User: "u_1"}, []schema.ProxyCall{hostile, whole}},
		"that failed":        {store.ProxyCallQuery{Failed: true}, []schema.ProxyCall{hostile, missing, whole}},
		"since":              {store.ProxyCallQuery{Since: missing.StartedAt}, []schema.ProxyCall{hostile, missing}},
		"until":              {store.ProxyCallQuery{Until: missing.StartedAt}, []schema.ProxyCall{bare, whole}},
		"a page":             {store.ProxyCallQuery{Before: hostile.ID, Limit: 2}, []schema.ProxyCall{missing, bare}},
		"of one that is not": {store.ProxyCallQuery{Integration: "none"}, nil},
	} {
		equal(t, name, callIDs(list(test.query)), callIDs(test.want))
	}

	// A batch that comes again in another stream changes nothing.
	again := whole
	again.Status = 200
	more := proxyCall(epoch, 6)
	write(t, s, store.LogBatch{Stream: "after a loss", To: "1", ProxyCalls: []schema.ProxyCall{again, more, more}})
	equal(t, "after the batch came again", callIDs(list(store.ProxyCallQuery{})), callIDs([]schema.ProxyCall{hostile, missing, bare, more, whole}))
	equal(t, "the call that was there", list(store.ProxyCallQuery{Limit: 10})[4], whole)

	bad := more
	bad.ID = "r" + more.ID[1:]
	if _, err := s.WriteLog(ctx, store.LogBatch{Stream: "s", To: "1", ProxyCalls: []schema.ProxyCall{bad}}); err == nil {
		t.Error("a call with the id of a run was written")
	}

	// They go with the history of their project: by the row, and by the day.
	for _, test := range []struct {
		before time.Time
		left   []schema.ProxyCall
	}{
		{epoch.Add(time.Minute), []schema.ProxyCall{hostile, missing, bare}},
		{epoch.Add(26*time.Hour + time.Minute), []schema.ProxyCall{hostile}},
		{epoch.Add(100 * time.Hour), nil},
	} {
		got(s.DeleteRuns(ctx, project, test.before))(t)
		equal(t, "left", callIDs(list(store.ProxyCallQuery{})), callIDs(test.left))
	}
	if others := got(s.ListProxyCalls(ctx, store.ProxyCallQuery{Project: "elsewhere"}))(t); len(others) != 1 {
		t.Errorf("%d calls of another project are left; want 1", len(others))
	}
}
