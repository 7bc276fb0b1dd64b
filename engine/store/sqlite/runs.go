package sqlite

import (
	"context"
	"errors"
	"strings"

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

// Run returns a run that ended.
func (s *Store) Run(ctx context.Context, project, id string) (*schema.Run, error) {
	r, err := one(scanRun, s.read.QueryRowContext(ctx, selectRun+` WHERE project = ? AND id = ?`, column.Text(project), column.Text(id)))
	return r, s.wrap(ctx, "read the run", err)
}

// Steps returns the records of a run's steps.
func (s *Store) Steps(ctx context.Context, project, id string) ([]schema.StepRecord, error) {
	found, err := list(ctx, s.read, scanStep, selectStep+` WHERE run = ? AND project = ? ORDER BY seq`, column.Text(id), column.Text(project))
	return found, s.wrap(ctx, "list the steps of the run", err)
}

// ListRuns lists runs that ended, newest first.
func (s *Store) ListRuns(ctx context.Context, q store.RunQuery) ([]schema.Run, error) {
	query, args := listRuns(q)
	if query == "" {
		return nil, nil
	}
	found, err := list(ctx, s.read, scanRun, query, args...)
	return found, s.wrap(ctx, "list the runs", err)
}

// listRuns builds the query; it is empty when nothing can match.
func listRuns(q store.RunQuery) (query string, args []any) {
	var where []string
	add := func(condition string, value any) {
		where, args = append(where, condition), append(args, value)
	}
	add("project = ?", column.Text(q.Project))
	if q.Workflow != "" {
		add("workflow = ?", column.Text(q.Workflow))
	}
	statuses, all := column.EndedStatuses(q.Status)
	if len(statuses) == 0 && !all {
		return "", nil
	}
	unsuccessful := q.Error != ""
	if !all {
		for _, status := range statuses {
			args = append(args, string(status))
		}
		where = append(where, "status IN (?"+strings.Repeat(", ?", len(statuses)-1)+")")
		unsuccessful = unsuccessful || statuses[len(statuses)-1] != schema.RunSucceeded
	}
	if unsuccessful {
		// Word for word the condition of the partial index.
		where = append(where, "status <> 'succeeded'")
	}
	if !q.Since.IsZero() {
		add("created_at >= ?", q.Since.UnixMicro())
	}
	if !q.Until.IsZero() {
		add("created_at < ?", q.Until.UnixMicro())
	}
	if q.Before != "" {
		add("id < ?", column.Text(q.Before))
	}
	if q.User != "" {
		add("user_id = ?", column.Text(q.User))
	}
	if q.Error != "" {
		add("instr(error_folded, ?) > 0", column.Fold(q.Error))
	}
	limit := q.Limit
	if limit <= 0 {
		limit = store.DefaultLimit
	}
	rows := selectRun + ` WHERE ` + strings.Join(where, " AND ") + ` ORDER BY id DESC LIMIT ?`
	return column.Page(runSelected, rows, q.Bytes), append(args, limit)
}

func scanRun(row scanner) (r schema.Run, err error) {
	var trigger, input, output, failure, trace, user *string
	var created int64
	var started, ended *int64
	err = row.Scan(&r.ID, &r.Project, &r.Workflow, &r.Revision, &r.Status, &trigger, &input, &output, &failure,
		&created, &started, &ended, &r.Attempts, &r.Recoveries, &trace, &user)
	if err != nil {
		return r, err
	}
	r.CreatedAt = timeOf(&created)
	if started != nil {
		at := timeOf(started)
		r.StartedAt = &at
	}
	if ended != nil {
		at := timeOf(ended)
		r.EndedAt = &at
	}
	r.Input, r.Output = column.RawFrom(input), column.RawFrom(output)
	if trace != nil {
		r.TraceID = *trace
	}
	if user != nil {
		r.User = *user
	}
	return r, errors.Join(column.Decode(trigger, &r.Trigger), column.Decode(failure, &r.Error))
}

func scanStep(row scanner) (s schema.StepRecord, err error) {
	var started, ended, retry, wait *int64
	var result, failure, attempts *string
	err = row.Scan(&s.Path, &s.Step, &s.Kind, &s.Status, &s.Attempt, &started, &ended, &retry, &wait, &result, &failure, &attempts)
	if err != nil {
		return s, err
	}
	s.StartedAt, s.EndedAt, s.RetryAt, s.WaitUntil = timeOf(started), timeOf(ended), timeOf(retry), timeOf(wait)
	s.Result = column.RawFrom(result)
	return s, errors.Join(column.Decode(failure, &s.Error), column.Decode(attempts, &s.Attempts))
}
