package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
)

// PutPause notes that something is paused.
func (s *Store) PutPause(ctx context.Context, p store.Pause) error {
	_, err := s.pool.Exec(ctx, `INSERT INTO pauses (kind, project, name, at, by_whom) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (kind, project, name) DO NOTHING`, string(p.Kind), column.Text(p.Project), column.Text(p.Name), p.At, column.Text(p.By))
	return s.wrap(ctx, "note a pause", err)
}

// DeletePause ends a pause.
func (s *Store) DeletePause(ctx context.Context, kind store.PauseKind, project, name string) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM pauses WHERE kind = $1 AND project = $2 AND name = $3`,
		string(kind), column.Text(project), column.Text(name))
	return s.wrap(ctx, "end a pause", err)
}

// Pauses lists all that is paused.
func (s *Store) Pauses(ctx context.Context) ([]store.Pause, error) {
	found, err := list(ctx, s.pool, func(row pgx.CollectableRow) (p store.Pause, err error) {
		err = row.Scan(&p.Kind, &p.Project, &p.Name, &p.At, &p.By)
		p.At = p.At.UTC()
		return p, err
	}, `SELECT kind, project, name, at, by_whom FROM pauses ORDER BY kind, project, name`)
	return found, s.wrap(ctx, "list what is paused", err)
}

const (
	operationColumns = `id, project, kind, state, request, total, done, failed, cursor, failures, by_whom, created_at, updated_at, ended_at`
	operationOpen    = `state IN ('queued', 'running')`
)

func scanOperation(row pgx.CollectableRow) (op store.Operation, err error) {
	var request, failures *string
	var ended *time.Time
	err = row.Scan(&op.ID, &op.Project, &op.Kind, &op.State, &request, &op.Total, &op.Done, &op.Failed, &op.Cursor,
		&failures, &op.By, &op.CreatedAt, &op.UpdatedAt, &ended)
	op.Request, op.Failures = column.RawFrom(request), column.RawFrom(failures)
	op.CreatedAt, op.UpdatedAt, op.EndedAt = op.CreatedAt.UTC(), op.UpdatedAt.UTC(), timeOf(ended)
	return op, err
}

// CreateOperation writes a new operation.
func (s *Store) CreateOperation(ctx context.Context, op store.Operation) error {
	_, err := s.pool.Exec(ctx, `INSERT INTO operations (`+operationColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		op.ID, column.Text(op.Project), op.Kind, string(op.State), column.Raw(op.Request), op.Total, op.Done, op.Failed, op.Cursor,
		column.Raw(op.Failures), column.Text(op.By), op.CreatedAt, op.UpdatedAt, orNull(op.EndedAt))
	if isCode(err, codeUniqueViolation) {
		err = fmt.Errorf("%w: %w", store.ErrExists, err)
	}
	return s.wrap(ctx, "write an operation", err)
}

// Operation returns an operation.
func (s *Store) Operation(ctx context.Context, project, id string) (*store.Operation, error) {
	op, err := one(ctx, s.pool, scanOperation, `SELECT `+operationColumns+` FROM operations WHERE project = $1 AND id = $2`,
		column.Text(project), column.Text(id))
	return op, s.wrap(ctx, "read an operation", err)
}

// Operations lists a project's operations, newest first.
func (s *Store) Operations(ctx context.Context, project, before string, limit int) ([]store.Operation, error) {
	found, err := list(ctx, s.pool, scanOperation, `SELECT `+operationColumns+` FROM operations
		WHERE project = $1 AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3`, column.Text(project), column.Text(before), limitOf(limit))
	return found, s.wrap(ctx, "list the operations", err)
}

// LeaseOperation gives the oldest operation that nobody has to an owner.
func (s *Store) LeaseOperation(ctx context.Context, owner string, now, till time.Time) (*store.Operation, error) {
	op, err := one(ctx, s.pool, scanOperation, `UPDATE operations SET owner = $1, leased_till = $3, state = 'running', updated_at = $2
		WHERE id = (SELECT id FROM operations WHERE `+operationOpen+` AND leased_till <= $2 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
		RETURNING `+operationColumns, owner, now, till)
	return op, s.wrap(ctx, "lease an operation", err)
}

// SaveOperation writes an operation's progress.
func (s *Store) SaveOperation(ctx context.Context, owner string, op store.Operation, till time.Time) (held bool, err error) {
	tag, err := s.pool.Exec(ctx, `UPDATE operations SET state = $3, total = $4, done = $5, failed = $6, cursor = $7, failures = $8,
		updated_at = $9, ended_at = $10, leased_till = $11 WHERE id = $1 AND owner = $2 AND `+operationOpen,
		op.ID, owner, string(op.State), op.Total, op.Done, op.Failed, op.Cursor, column.Raw(op.Failures), op.UpdatedAt, orNull(op.EndedAt), till)
	return tag.RowsAffected() == 1, s.wrap(ctx, "write an operation's progress", err)
}

// CancelOperation ends an operation that has not ended.
func (s *Store) CancelOperation(ctx context.Context, project, id string, at time.Time) error {
	tag, err := s.pool.Exec(ctx, `UPDATE operations SET state = 'canceled', updated_at = $3, ended_at = $3
		WHERE project = $1 AND id = $2 AND `+operationOpen, column.Text(project), column.Text(id), at)
	if err == nil && tag.RowsAffected() == 0 {
		err = pgx.ErrNoRows
	}
	return s.wrap(ctx, "cancel an operation", err)
}
