package sqlite

import (
	"context"
	"database/sql"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
)

// Accept writes runs that must outlive Redis, all or none.
func (s *Store) Accept(ctx context.Context, runs []store.AcceptedRun) error {
	const what = "accept runs"
	batch, err := column.CheckAccept(runs)
	if err != nil || len(batch.Runs) == 0 {
		return err
	}
	return s.inTx(ctx, what, func(tx *sql.Tx) error {
		taken, err := takeKeys(ctx, tx, batch.Keys)
		if err != nil {
			return s.wrap(ctx, what, err)
		}
		if len(taken) > 0 {
			return &store.KeyTakenError{Runs: taken}
		}
		return s.wrap(ctx, what, insertAccepted(ctx, tx, batch.Runs))
	})
}

// Unaccept removes the rows of runs that were not accepted after all.
func (s *Store) Unaccept(ctx context.Context, runs []store.AcceptedRun) error {
	const what = "take back accepted runs"
	return s.inTx(ctx, what, func(tx *sql.Tx) error {
		for _, r := range runs {
			id := column.Text(r.ID)
			if _, err := tx.ExecContext(ctx, `DELETE FROM accepted WHERE id = ?`, id); err != nil {
				return s.wrap(ctx, what, err)
			}
			digest := column.KeyDigest(r.Project, r.Workflow, r.IdempotencyKey)
			if _, err := tx.ExecContext(ctx, `DELETE FROM idempotency WHERE digest = ? AND run = ?`, digest, id); err != nil {
				return s.wrap(ctx, what, err)
			}
		}
		return nil
	})
}

func insertAccepted(ctx context.Context, tx *sql.Tx, runs []store.AcceptedRun) error {
	insert, err := tx.PrepareContext(ctx, `INSERT INTO accepted (id, created_at, project, workflow, idempotency_key, meta)
		VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`)
	if err != nil {
		return err
	}
	defer insert.Close()
	for _, r := range runs {
		var key any
		if r.IdempotencyKey != "" {
			key = []byte(r.IdempotencyKey)
		}
		if _, err := insert.ExecContext(ctx, column.Text(r.ID), r.CreatedAt.UnixMicro(), column.Text(r.Project),
			column.Text(r.Workflow), key, column.Raw(r.Meta)); err != nil {
			return err
		}
	}
	return nil
}

// takeKeys binds keys to their runs, and returns the runs whose key stands for
// another one. A key that expired before its new run was created is free.
func takeKeys(ctx context.Context, tx *sql.Tx, keys []column.Key) (taken map[string]string, err error) {
	taken = map[string]string{}
	for _, k := range keys {
		_, err := tx.ExecContext(ctx, `INSERT INTO idempotency (digest, run, expires_at) VALUES (?1, ?2, ?3)
			ON CONFLICT (digest) DO UPDATE SET run = excluded.run, expires_at = excluded.expires_at
			WHERE idempotency.expires_at <= ?4`,
			k.Digest, column.Text(k.Run), k.Expires.UnixMicro(), k.CreatedAt.UnixMicro())
		if err != nil {
			return nil, err
		}
		var holder string
		if err := tx.QueryRowContext(ctx, `SELECT run FROM idempotency WHERE digest = ?`, k.Digest).Scan(&holder); err != nil {
			return nil, err
		}
		if holder != column.Text(k.Run) {
			taken[k.Run] = holder
		}
	}
	return taken, nil
}

// Accepted lists accepted runs that have not ended. A run that ended before
// its acceptance was written has left its row behind: it is passed over.
func (s *Store) Accepted(ctx context.Context, after string, limit int) ([]store.AcceptedRun, error) {
	found, err := list(ctx, s.read, scanAccepted, `SELECT id, project, workflow, idempotency_key, created_at, meta FROM accepted a
		WHERE id > ? AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.project = a.project AND r.id = a.id)
		ORDER BY id LIMIT ?`, column.Text(after), limitOf(limit))
	return found, s.wrap(ctx, "list the accepted runs", err)
}

func scanAccepted(row scanner) (r store.AcceptedRun, err error) {
	var key []byte
	var meta *string
	var created int64
	err = row.Scan(&r.ID, &r.Project, &r.Workflow, &key, &created, &meta)
	r.IdempotencyKey, r.Meta, r.CreatedAt = string(key), column.RawFrom(meta), timeOf(&created)
	return r, err
}

// AcceptedByKey finds the run of an idempotency key.
func (s *Store) AcceptedByKey(ctx context.Context, project, workflow, key string) (id string, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT run FROM idempotency WHERE digest = ? AND expires_at > ?`,
		column.KeyDigest(project, workflow, key), s.now().UnixMicro()).Scan(&id)
	return id, s.wrap(ctx, "find the run of an idempotency key", err)
}
