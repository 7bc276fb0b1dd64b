package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
	"paragon/schema"
)

const (
	runSelected = `id, project, workflow, revision, status, trigger, input, output, error, created_at, started_at,
		ended_at, attempts, recoveries, trace_id, user_id`
	selectRun  = `SELECT ` + runSelected + ` FROM runs`
	selectStep = `SELECT path, step, kind, status, attempt, started_at, ended_at, retry_at, wait_until, result, error, attempts FROM steps`
)

// clockSlack is how far a run's created-at may be from the time in its id.
const clockSlack = time.Minute

// Run returns a run that ended.
func (s *Store) Run(ctx context.Context, project, id string) (*schema.Run, error) {
	r, err := one(ctx, s.pool, scanRun, selectRun+` WHERE project = $1 AND id = $2`, column.Text(project), column.Text(id))
	return r, s.wrap(ctx, "read the run", err)
}

// Steps returns the records of a run's steps.
func (s *Store) Steps(ctx context.Context, project, id string) ([]schema.StepRecord, error) {
	found, err := list(ctx, s.pool, scanStep, selectStep+` WHERE project = $1 AND run = $2 ORDER BY seq`, column.Text(project), column.Text(id))
	return found, s.wrap(ctx, "list the steps of the run", err)
}

// ListRuns lists runs that ended, newest first.
func (s *Store) ListRuns(ctx context.Context, q store.RunQuery) ([]schema.Run, error) {
	sql, args := listRuns(q)
	if sql == "" {
		return nil, nil
	}
	// Planned each time, with the values in sight: a generic plan could not
	// see that a workflow is rare.
	args = append([]any{pgx.QueryExecModeCacheDescribe}, args...)
	found, err := list(ctx, s.pool, scanRun, sql, args...)
	return found, s.wrap(ctx, "list the runs", err)
}

// listRuns builds the query; it is empty when nothing can match.
func listRuns(q store.RunQuery) (sql string, args []any) {
	where := []string{}
	add := func(condition string, value any) {
		args = append(args, value)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	add("project = $%d", column.Text(q.Project))
	if q.Workflow != "" {
		add("workflow = $%d", column.Text(q.Workflow))
	}
	statuses, all := column.EndedStatuses(q.Status)
	if len(statuses) == 0 && !all {
		return "", nil
	}
	unsuccessful := q.Error != ""
	if !all {
		quoted := make([]string, len(statuses))
		for i, status := range statuses {
			quoted[i] = "'" + string(status) + "'" // one of three words
		}
		where = append(where, "status IN ("+strings.Join(quoted, ", ")+")")
		unsuccessful = unsuccessful || statuses[len(statuses)-1] != schema.RunSucceeded
	}
	if unsuccessful {
		// Word for word the condition of the partial index.
		where = append(where, "status <> 'succeeded'")
	}
	// created_at decides; the bound on ids leaves whole partitions out.
	if !q.Since.IsZero() {
		add("created_at >= $%d", q.Since)
		add("id >= $%d", schema.RunIDBound(q.Since.Add(-clockSlack)))
	}
	if !q.Until.IsZero() {
		add("created_at < $%d", q.Until)
		add("id < $%d", schema.RunIDBound(q.Until.Add(clockSlack)))
	}
	if q.Before != "" {
		add("id < $%d", column.Text(q.Before))
	}
	if q.User != "" {
		add("user_id = $%d", column.Text(q.User))
	}
	if q.Error != "" {
		add("strpos(error_folded, $%d) > 0", column.Fold(q.Error))
	}
	limit := q.Limit
	if limit <= 0 {
		limit = store.DefaultLimit
	}
	rows := fmt.Sprintf("%s WHERE %s ORDER BY id DESC LIMIT %d", selectRun, strings.Join(where, " AND "), limit)
	return column.Page(runSelected, rows, q.Bytes), args
}

func scanRun(row pgx.CollectableRow) (r schema.Run, err error) {
	var trigger, input, output, failure, trace, user *string
	err = row.Scan(&r.ID, &r.Project, &r.Workflow, &r.Revision, &r.Status, &trigger, &input, &output, &failure,
		&r.CreatedAt, &r.StartedAt, &r.EndedAt, &r.Attempts, &r.Recoveries, &trace, &user)
	r.CreatedAt, r.StartedAt, r.EndedAt = r.CreatedAt.UTC(), inUTC(r.StartedAt), inUTC(r.EndedAt)
	r.Input, r.Output = column.RawFrom(input), column.RawFrom(output)
	if trace != nil {
		r.TraceID = *trace
	}
	if user != nil {
		r.User = *user
	}
	return r, errors.Join(err, column.Decode(trigger, &r.Trigger), column.Decode(failure, &r.Error))
}

func scanStep(row pgx.CollectableRow) (s schema.StepRecord, err error) {
	var started, ended, retry, wait *time.Time
	var result, failure, attempts *string
	err = row.Scan(&s.Path, &s.Step, &s.Kind, &s.Status, &s.Attempt, &started, &ended, &retry, &wait, &result, &failure, &attempts)
	s.StartedAt, s.EndedAt, s.RetryAt, s.WaitUntil = timeOf(started), timeOf(ended), timeOf(retry), timeOf(wait)
	s.Result = column.RawFrom(result)
	return s, errors.Join(err, column.Decode(failure, &s.Error), column.Decode(attempts, &s.Attempts))
}

// inUTC is a time that may be absent, in UTC.
func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &utc
}
