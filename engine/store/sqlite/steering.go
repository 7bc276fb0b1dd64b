package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
)

// PutPause notes that something is paused.
func (s *Store) PutPause(ctx context.Context, p store.Pause) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO pauses (kind, project, name, at, by_whom) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (kind, project, name) DO NOTHING`, string(p.Kind), column.Text(p.Project), column.Text(p.Name), p.At.UnixMicro(), column.Text(p.By))
	return s.wrap(ctx, "note a pause", err)
}

// DeletePause ends a pause.
func (s *Store) DeletePause(ctx context.Context, kind store.PauseKind, project, name string) error {
	_, err := s.write.ExecContext(ctx, `DELETE FROM pauses WHERE kind = ? AND project = ? AND name = ?`,
		string(kind), column.Text(project), column.Text(name))
	return s.wrap(ctx, "end a pause", err)
}

// Pauses lists all that is paused.
func (s *Store) Pauses(ctx context.Context) ([]store.Pause, error) {
	found, err := list(ctx, s.read, func(row scanner) (p store.Pause, err error) {
		var at int64
		err = row.Scan(&p.Kind, &p.Project, &p.Name, &at, &p.By)
		p.At = timeOf(&at)
		return p, err
	}, `SELECT kind, project, name, at, by_whom FROM pauses ORDER BY kind, project, name`)
	return found, s.wrap(ctx, "list what is paused", err)
}

const (
	operationColumns = `id, project, kind, state, request, total, done, failed, cursor, failures, by_whom, created_at, updated_at, ended_at`
	operationOpen    = `state IN ('queued', 'running')`
)

func scanOperation(row scanner) (op store.Operation, err error) {
	var request, failures *string
	var created, updated int64
	var ended *int64
	err = row.Scan(&op.ID, &op.Project, &op.Kind, &op.State, &request, &op.Total, &op.Done, &op.Failed, &op.Cursor,
		&failures, &op.By, &created, &updated, &ended)
	op.Request, op.Failures = column.RawFrom(request), column.RawFrom(failures)
	op.CreatedAt, op.UpdatedAt, op.EndedAt = timeOf(&created), timeOf(&updated), timeOf(ended)
	return op, err
}

// CreateOperation writes a new operation.
func (s *Store) CreateOperation(ctx context.Context, op store.Operation) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO operations (`+operationColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		op.ID, column.Text(op.Project), op.Kind, string(op.State), column.Raw(op.Request), op.Total, op.Done, op.Failed, op.Cursor,
		column.Raw(op.Failures), column.Text(op.By), op.CreatedAt.UnixMicro(), op.UpdatedAt.UnixMicro(), column.Micros(op.EndedAt))
	var failure *driver.Error
	if errors.As(err, &failure) && failure.Code()&0xff == lib.SQLITE_CONSTRAINT {
		err = fmt.Errorf("%w: %w", store.ErrExists, err)
	}
	return s.wrap(ctx, "write an operation", err)
}

// Operation returns an operation.
func (s *Store) Operation(ctx context.Context, project, id string) (*store.Operation, error) {
	op, err := one(scanOperation, s.read.QueryRowContext(ctx, `SELECT `+operationColumns+` FROM operations WHERE project = ? AND id = ?`,
		column.Text(project), column.Text(id)))
	return op, s.wrap(ctx, "read an operation", err)
}

// Operations lists a project's operations, newest first.
func (s *Store) Operations(ctx context.Context, project, before string, limit int) ([]store.Operation, error) {
	found, err := list(ctx, s.read, scanOperation, `SELECT `+operationColumns+` FROM operations
		WHERE project = ?1 AND (?2 = '' OR id < ?2) ORDER BY id DESC LIMIT ?3`, column.Text(project), column.Text(before), limitOf(limit))
	return found, s.wrap(ctx, "list the operations", err)
}

// LeaseOperation gives the oldest operation that nobody has to an owner. It
// looks before it writes: mostly there is none, and a write would sync.
func (s *Store) LeaseOperation(ctx context.Context, owner string, now, till time.Time) (*store.Operation, error) {
	const what = "lease an operation"
	const free = `SELECT id FROM operations WHERE ` + operationOpen + ` AND leased_till <= ? ORDER BY id LIMIT 1`
	var id string
	if err := s.read.QueryRowContext(ctx, free, now.UnixMicro()).Scan(&id); err != nil {
		return nil, s.wrap(ctx, what, err)
	}
	op, err := one(scanOperation, s.write.QueryRowContext(ctx, `UPDATE operations SET owner = ?, leased_till = ?, state = 'running', updated_at = ?
		WHERE id = (`+free+`) RETURNING `+operationColumns, owner, till.UnixMicro(), now.UnixMicro(), now.UnixMicro()))
	return op, s.wrap(ctx, what, err)
}

// SaveOperation writes an operation's progress.
func (s *Store) SaveOperation(ctx context.Context, owner string, op store.Operation, till time.Time) (held bool, err error) {
	result, err := s.write.ExecContext(ctx, `UPDATE operations SET state = ?, total = ?, done = ?, failed = ?, cursor = ?, failures = ?,
		updated_at = ?, ended_at = ?, leased_till = ? WHERE id = ? AND owner = ? AND `+operationOpen,
		string(op.State), op.Total, op.Done, op.Failed, op.Cursor, column.Raw(op.Failures), op.UpdatedAt.UnixMicro(),
		column.Micros(op.EndedAt), till.UnixMicro(), op.ID, owner)
	n, err := changed(result, err)
	return n == 1, s.wrap(ctx, "write an operation's progress", err)
}

// CancelOperation ends an operation that has not ended.
func (s *Store) CancelOperation(ctx context.Context, project, id string, at time.Time) error {
	result, err := s.write.ExecContext(ctx, `UPDATE operations SET state = 'canceled', updated_at = ?1, ended_at = ?1
		WHERE project = ?2 AND id = ?3 AND `+operationOpen, at.UnixMicro(), column.Text(project), column.Text(id))
	n, err := changed(result, err)
	if err == nil && n == 0 {
		err = sql.ErrNoRows
	}
	return s.wrap(ctx, "cancel an operation", err)
}

func changed(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
