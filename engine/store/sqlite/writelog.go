package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
	"paragon/schema"
)

// errPosition ends a transaction whose batch does not fit the position.
var errPosition = errors.New("the stream is at another position")

// WriteLog writes a batch of the log with its stream's new position.
func (s *Store) WriteLog(ctx context.Context, batch store.LogBatch) (applied bool, err error) {
	if err := column.CheckBatch(batch); err != nil {
		return false, err
	}
	const what = "write the log"
	err = s.inTx(ctx, what, func(tx *sql.Tx) error {
		mark, err := logPosition(ctx, tx, batch.Stream)
		if err != nil {
			return s.wrap(ctx, what, err)
		}
		if mark != (store.LogMark{Position: batch.From, Fence: batch.Fence}) {
			return errPosition
		}
		return s.wrap(ctx, what, writeRows(ctx, tx, batch))
	})
	if errors.Is(err, errPosition) {
		return false, nil
	}
	return err == nil, err
}

func writeRows(ctx context.Context, tx *sql.Tx, batch store.LogBatch) error {
	if err := writeRuns(ctx, tx, batch.Runs); err != nil {
		return err
	}
	if err := writeSteps(ctx, tx, batch.Steps); err != nil {
		return err
	}
	if err := writeProxyCalls(ctx, tx, batch.ProxyCalls); err != nil {
		return err
	}
	if err := writePayloads(ctx, tx, batch.Payloads); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO log_positions (stream, position) VALUES (?, ?)
		ON CONFLICT (stream) DO UPDATE SET position = excluded.position`, batch.Stream, batch.To)
	return err
}

func writeRuns(ctx context.Context, tx *sql.Tx, runs []schema.Run) error {
	insert, err := tx.PrepareContext(ctx, `INSERT INTO runs (id, project, workflow, revision, status, created_at, started_at, ended_at,
		attempts, recoveries, trace_id, user_id, trigger, error, error_folded, input, output)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (project, id) DO NOTHING`)
	if err != nil {
		return err
	}
	defer insert.Close()
	forget, err := tx.PrepareContext(ctx, `DELETE FROM accepted WHERE id = ?`)
	if err != nil {
		return err
	}
	defer forget.Close()
	for i := range runs {
		r := &runs[i]
		trigger, err := column.Document(r.Trigger)
		if err != nil {
			return err
		}
		var failure, folded any
		if r.Error != nil {
			if failure, err = column.Document(r.Error); err != nil {
				return err
			}
			folded = column.Fold(r.Error.Message)
		}
		if _, err := insert.ExecContext(ctx, r.ID, column.Text(r.Project), column.Text(r.Workflow), r.Revision, string(r.Status),
			r.CreatedAt.UnixMicro(), micros(r.StartedAt), micros(r.EndedAt), r.Attempts, r.Recoveries, column.TextOrNil(r.TraceID),
			column.TextOrNil(r.User), trigger, failure, folded, column.Raw(r.Input), column.Raw(r.Output)); err != nil {
			return err
		}
		if _, err := forget.ExecContext(ctx, r.ID); err != nil {
			return err
		}
	}
	return nil
}

func writeSteps(ctx context.Context, tx *sql.Tx, steps []store.StepRow) error {
	insert, err := tx.PrepareContext(ctx, `INSERT OR REPLACE INTO steps (run, seq, project, path, step, kind, status, attempt,
		started_at, ended_at, retry_at, wait_until, result, error, attempts)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	for i := range steps {
		s := &steps[i]
		var failure, attempts any
		if s.Error != nil {
			if failure, err = column.Document(s.Error); err != nil {
				return err
			}
		}
		if len(s.Attempts) > 0 {
			if attempts, err = column.Document(s.Attempts); err != nil {
				return err
			}
		}
		if _, err := insert.ExecContext(ctx, s.Run, s.Seq, column.Text(s.Project), column.Text(s.Path), column.Text(s.Step),
			column.Text(s.Kind), column.Text(string(s.Status)), s.Attempt, column.Micros(s.StartedAt), column.Micros(s.EndedAt),
			column.Micros(s.RetryAt), column.Micros(s.WaitUntil), column.Raw(s.Result), failure, attempts); err != nil {
			return err
		}
	}
	return nil
}

func micros(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UnixMicro()
}

// LogPosition is where a stream is written up to.
func (s *Store) LogPosition(ctx context.Context, stream string) (store.LogMark, error) {
	mark, err := logPosition(ctx, s.read, stream)
	return mark, s.wrap(ctx, "read a position of the log", err)
}

func logPosition(ctx context.Context, q querier, stream string) (mark store.LogMark, err error) {
	err = q.QueryRowContext(ctx, `SELECT position, fence FROM log_positions WHERE stream = ?`, stream).Scan(&mark.Position, &mark.Fence)
	if errors.Is(err, sql.ErrNoRows) {
		return store.LogMark{}, nil
	}
	return mark, err
}

// FenceLog keeps out batches of the streams that were read before: there is one
// writer at a time.
func (s *Store) FenceLog(ctx context.Context, streams []string) error {
	const what = "fence the log"
	return s.inTx(ctx, what, func(tx *sql.Tx) error {
		for _, stream := range streams {
			if _, err := tx.ExecContext(ctx, `INSERT INTO log_positions (stream, position, fence) VALUES (?, '', 1)
				ON CONFLICT (stream) DO UPDATE SET fence = fence + 1`, stream); err != nil {
				return s.wrap(ctx, what, err)
			}
		}
		return nil
	})
}

// DeleteRuns removes a project's history from before a time, in pieces, so
// that other writers get their turn between them.
func (s *Store) DeleteRuns(ctx context.Context, project string, before time.Time) (int64, error) {
	project = column.Text(project)
	bound := schema.RunIDBound(before)
	// Runs that ended and left an accepted row behind must not come back to
	// life when the record of their end is gone.
	if _, err := s.delete(ctx, `DELETE FROM accepted WHERE project = ?1 AND id < ?2
		AND EXISTS (SELECT 1 FROM runs r WHERE r.project = ?1 AND r.id = accepted.id)`, project, bound); err != nil {
		return 0, err
	}
	if _, err := s.delete(ctx, `DELETE FROM idempotency WHERE expires_at <= ?`, s.now().UnixMicro()); err != nil {
		return 0, err
	}
	if err := s.deleteAll(ctx, new(int64), `DELETE FROM steps WHERE (run, seq) IN
		(SELECT run, seq FROM steps WHERE run < ?2 AND project = ?1 LIMIT ?3)`, project, bound); err != nil {
		return 0, err
	}
	if err := s.deleteAll(ctx, new(int64), `DELETE FROM proxy_calls WHERE rowid IN
		(SELECT rowid FROM proxy_calls WHERE project = ?1 AND id < ?2 LIMIT ?3)`, project, schema.ProxyCallIDBound(before)); err != nil {
		return 0, err
	}
	var deleted int64
	err := s.deleteAll(ctx, &deleted, `DELETE FROM runs WHERE rowid IN
		(SELECT rowid FROM runs WHERE project = ?1 AND id < ?2 LIMIT ?3)`, project, bound)
	if err != nil {
		return deleted, err
	}
	_, err = s.delete(ctx, `DELETE FROM payloads WHERE project = ? AND day < ?`, project, before.UTC().Format(time.DateOnly))
	return deleted, err
}

// deletePiece is how many rows one transaction deletes.
const deletePiece = 5000

// deleteAll repeats a statement that deletes at most ?3 rows until none is
// left, and counts into deleted.
func (s *Store) deleteAll(ctx context.Context, deleted *int64, query string, args ...any) error {
	for {
		rows, err := s.delete(ctx, query, append(args, deletePiece)...)
		if err != nil {
			return err
		}
		*deleted += rows
		if rows < deletePiece {
			return nil
		}
	}
}

func (s *Store) delete(ctx context.Context, query string, args ...any) (rows int64, err error) {
	const what = "delete old runs"
	result, err := s.write.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, s.wrap(ctx, what, err)
	}
	rows, err = result.RowsAffected()
	return rows, s.wrap(ctx, what, err)
}
