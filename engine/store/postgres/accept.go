package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
)

// insertAccepted writes any number of runs by one statement.
const insertAccepted = `INSERT INTO accepted (id, created_at, project, workflow, idempotency_key, meta)
	SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::bytea[], $6::text[])
	ON CONFLICT (id) DO NOTHING`

// Accept writes runs that must outlive Redis, all or none. Without
// idempotency keys that is one round trip.
func (s *Store) Accept(ctx context.Context, runs []store.AcceptedRun) error {
	const what = "accept runs"
	batch, err := column.CheckAccept(runs)
	if err != nil || len(batch.Runs) == 0 {
		return err
	}
	args := acceptedColumns(batch.Runs)
	if len(batch.Keys) == 0 {
		_, err := s.pool.Exec(ctx, insertAccepted, args...)
		return s.wrap(ctx, what, err)
	}
	return s.inTx(ctx, what, pgx.TxOptions{}, func(tx pgx.Tx) error {
		taken, err := takeKeys(ctx, tx, batch.Keys)
		if err != nil {
			return s.wrap(ctx, what, err)
		}
		if len(taken) > 0 {
			return &store.KeyTakenError{Runs: taken}
		}
		_, err = tx.Exec(ctx, insertAccepted, args...)
		return s.wrap(ctx, what, err)
	})
}

// takeKeys binds keys to their runs, and returns the runs whose key stands for
// another one. A key that expired before its new run was created is free.
func takeKeys(ctx context.Context, tx pgx.Tx, keys []column.Key) (taken map[string]string, err error) {
	digests := make([][]byte, len(keys))
	runs := make([]string, len(keys))
	created, expires := make([]time.Time, len(keys)), make([]time.Time, len(keys))
	wants := make(map[string]string, len(keys))
	for i, k := range keys {
		digests[i], runs[i], created[i], expires[i] = k.Digest, column.Text(k.Run), k.CreatedAt, k.Expires
		wants[string(k.Digest)] = runs[i]
	}
	var batch pgx.Batch
	batch.Queue(`INSERT INTO idempotency AS old (digest, run, expires_at)
		SELECT * FROM unnest($1::bytea[], $2::text[], $3::timestamptz[])
		ON CONFLICT (digest) DO UPDATE SET run = excluded.run, expires_at = excluded.expires_at
		WHERE old.expires_at <= excluded.expires_at - make_interval(secs => $4)`,
		digests, runs, expires, store.KeyLife.Seconds())
	batch.Queue(`SELECT digest, run FROM idempotency WHERE digest = ANY($1)`, digests)
	results := tx.SendBatch(ctx, &batch)
	defer results.Close()
	if _, err := results.Exec(); err != nil {
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	taken = map[string]string{}
	var digest []byte
	var holder string
	_, err = pgx.ForEachRow(rows, []any{&digest, &holder}, func() error {
		if run := wants[string(digest)]; run != holder {
			taken[run] = holder
		}
		return nil
	})
	return taken, err
}

// Unaccept removes the rows of runs that were not accepted after all.
func (s *Store) Unaccept(ctx context.Context, runs []store.AcceptedRun) error {
	ids, digests := make([]string, len(runs)), make([][]byte, 0, len(runs))
	for i, r := range runs {
		ids[i] = column.Text(r.ID)
		if digest := column.KeyDigest(r.Project, r.Workflow, r.IdempotencyKey); digest != nil {
			digests = append(digests, digest)
		}
	}
	_, err := s.pool.Exec(ctx, `WITH gone AS (DELETE FROM accepted WHERE id = ANY($1))
		DELETE FROM idempotency WHERE digest = ANY($2) AND run = ANY($1)`, ids, digests)
	return s.wrap(ctx, "take back accepted runs", err)
}

// acceptedColumns turns rows into arrays.
func acceptedColumns(runs []store.AcceptedRun) []any {
	n := len(runs)
	ids, created := make([]string, n), make([]time.Time, n)
	projects, workflows := make([]string, n), make([]string, n)
	keys, metas := make([][]byte, n), make([]*string, n)
	for i, r := range runs {
		ids[i], created[i] = column.Text(r.ID), r.CreatedAt
		projects[i], workflows[i] = column.Text(r.Project), column.Text(r.Workflow)
		if r.IdempotencyKey != "" {
			keys[i] = []byte(r.IdempotencyKey)
		}
		if len(r.Meta) > 0 {
			meta := column.Text(string(r.Meta))
			metas[i] = &meta
		}
	}
	return []any{ids, created, projects, workflows, keys, metas}
}

// Accepted lists accepted runs that have not ended. A run that ended before
// its acceptance was written has left its row behind: it is passed over.
func (s *Store) Accepted(ctx context.Context, after string, limit int) ([]store.AcceptedRun, error) {
	found, err := list(ctx, s.pool, scanAccepted, `SELECT id, project, workflow, idempotency_key, created_at, meta FROM accepted a
		WHERE id > $1 AND NOT EXISTS (SELECT FROM runs r WHERE r.project = a.project AND r.id = a.id)
		ORDER BY id LIMIT $2`, column.Text(after), limitOf(limit))
	return found, s.wrap(ctx, "list the accepted runs", err)
}

func scanAccepted(row pgx.CollectableRow) (r store.AcceptedRun, err error) {
	var key []byte
	var meta *string
	err = row.Scan(&r.ID, &r.Project, &r.Workflow, &key, &r.CreatedAt, &meta)
	r.IdempotencyKey, r.Meta, r.CreatedAt = string(key), column.RawFrom(meta), r.CreatedAt.UTC()
	return r, err
}

// AcceptedByKey finds the run of an idempotency key.
func (s *Store) AcceptedByKey(ctx context.Context, project, workflow, key string) (id string, err error) {
	err = s.pool.QueryRow(ctx, `SELECT run FROM idempotency WHERE digest = $1 AND expires_at > $2`,
		column.KeyDigest(project, workflow, key), s.now()).Scan(&id)
	return id, s.wrap(ctx, "find the run of an idempotency key", err)
}
