package postgres

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/servicetest"
	"paragon/engine/store"
	"paragon/schema"
)

// TestListRunsReadsFromIndexes looks at the plans of the lists that must be
// fast in any size of history: rows come from an index in their order, without
// a sort and without reading whole tables.
func TestListRunsReadsFromIndexes(t *testing.T) {
	ctx := t.Context()
	s, err := Open(ctx, servicetest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	pool := s.(*Store).pool
	first := time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)
	var days []day
	for d := range 3 {
		days = append(days, day{start: first.AddDate(0, 0, d), project: "p"})
	}
	if err := s.(*Store).makeDays(ctx, days); err != nil {
		t.Fatal(err)
	}
	for _, d := range days {
		// One in a hundred failed; one in a thousand is of the workflow rare.
		if _, err := pool.Exec(ctx, `INSERT INTO runs (revision, created_at, attempts, recoveries, id, project, workflow, status, trigger, error_folded, user_id)
			SELECT 1, $1::timestamptz, 1, 0, $2 || lpad(n::text, 16, '0'), 'p', CASE WHEN n % 1000 = 0 THEN 'rare' ELSE 'often' END,
				CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'succeeded' END, '{}', CASE WHEN n % 100 = 0 THEN 'http 503' END,
				CASE WHEN n % 2 = 0 THEN 'u_' || n % 1000 END
			FROM generate_series(1, 20000) n`, d.start, schema.RunIDBound(d.start)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pool.Exec(ctx, `ANALYZE runs`); err != nil {
		t.Fatal(err)
	}
	failed := []schema.RunStatus{schema.RunFailed}
	for _, test := range []struct {
		name  string
		query store.RunQuery
		index string
	}{
		{"newest first", store.RunQuery{Project: "p"}, "_pkey"},
		{"by workflow", store.RunQuery{Project: "p", Workflow: "rare"}, "_project_workflow_id_idx"},
		{"failed", store.RunQuery{Project: "p", Status: failed}, "_project_id_status_workflow_idx"},
		{"failed, by workflow", store.RunQuery{Project: "p", Status: failed, Workflow: "often"}, "_project_id_status_workflow_idx"},
		{"by error", store.RunQuery{Project: "p", Error: "503", Since: first.AddDate(0, 0, 2)}, "_project_id_status_workflow_idx"},
		{"by user", store.RunQuery{Project: "p", User: "u_2"}, "_project_user_id_id_idx"},
		{"the next page", store.RunQuery{Project: "p", Before: schema.RunIDBound(first.AddDate(0, 0, 1))}, "_pkey"},
	} {
		sql, args := listRuns(test.query)
		plan := explain(ctx, t, s.(*Store), sql, args)
		if strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "Sort") || !strings.Contains(plan, test.index) {
			t.Errorf("%s: the plan is not a walk along %s:\n%s", test.name, test.index, plan)
		}
		if test.query.Since.After(first) && strings.Contains(plan, "runs_20260314") {
			t.Errorf("%s: the plan reads a day that the span leaves out:\n%s", test.name, plan)
		}
	}
}

func explain(ctx context.Context, t *testing.T, s *Store, sql string, args []any) string {
	t.Helper()
	lines, err := list(ctx, s.pool, pgx.RowTo[string], "EXPLAIN "+sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
