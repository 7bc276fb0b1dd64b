package sqlite

import (
	"context"
	"database/sql"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
)

// writePayloads writes the large values that a batch of the log refers to.
func writePayloads(ctx context.Context, tx *sql.Tx, named []store.Payload) error {
	for _, p := range named {
		if _, err := tx.ExecContext(ctx, `INSERT INTO payloads (project, day, digest) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
			column.Text(p.Project), p.Day, p.Digest); err != nil {
			return err
		}
	}
	return nil
}

// Payloads lists what a project's history of a day refers to.
func (s *Store) Payloads(ctx context.Context, project, day string) (digests []string, err error) {
	const what = "list payloads"
	rows, err := s.read.QueryContext(ctx, `SELECT digest FROM payloads WHERE project = ? AND day = ?`, column.Text(project), day)
	if err != nil {
		return nil, s.wrap(ctx, what, err)
	}
	defer rows.Close()
	for rows.Next() {
		var digest string
		if err := rows.Scan(&digest); err != nil {
			return nil, s.wrap(ctx, what, err)
		}
		digests = append(digests, digest)
	}
	return digests, s.wrap(ctx, what, rows.Err())
}
