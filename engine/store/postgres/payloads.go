package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
)

// queuePayloads adds the large values that a batch of the log refers to.
func queuePayloads(to *pgx.Batch, named []store.Payload) {
	var projects, days, digests []string
	for _, p := range named {
		projects, days, digests = append(projects, column.Text(p.Project)), append(days, p.Day), append(digests, p.Digest)
	}
	// In order, so that two batches don't wait for each other.
	to.Queue(`INSERT INTO payloads (project, day, digest)
		SELECT DISTINCT * FROM unnest($1::text[], $2::text[], $3::text[]) AS p (project, day, digest) ORDER BY 1, 2, 3
		ON CONFLICT DO NOTHING`, projects, days, digests)
}

// Payloads lists what a project's history of a day refers to.
func (s *Store) Payloads(ctx context.Context, project, day string) ([]string, error) {
	digests, err := list(ctx, s.pool, pgx.RowTo[string],
		`SELECT digest FROM payloads WHERE project = $1 AND day = $2`, column.Text(project), day)
	return digests, s.wrap(ctx, "list payloads", err)
}

// forgetPayloads forgets those of days that were over at a time.
func (s *Store) forgetPayloads(ctx context.Context, project string, before time.Time) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM payloads WHERE project = $1 AND day < $2`, project, before.UTC().Format(time.DateOnly))
	return s.wrap(ctx, "forget payloads", err)
}
