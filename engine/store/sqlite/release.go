package sqlite

import (
	"context"
	"fmt"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
)

const selectRelease = `SELECT id, project, name, of_set, commit_id, created_at, created_by, items FROM releases`

// Releases lists releases, newest first.
func (s *Store) Releases(ctx context.Context, project string, before int64, limit int) ([]store.Release, error) {
	found, err := list(ctx, s.read, scanRelease,
		selectRelease+` WHERE project = ?1 AND (id < ?2 OR ?2 <= 0) ORDER BY id DESC LIMIT ?3`,
		column.Text(project), before, limitOf(limit))
	return found, s.wrap(ctx, "list the releases", err)
}

// Release returns a release by its name.
func (s *Store) Release(ctx context.Context, project, name string) (*store.Release, error) {
	r, err := one(scanRelease, s.read.QueryRowContext(ctx, selectRelease+` WHERE project = ?1 AND name = ?2`, column.Text(project), column.Text(name)))
	return r, s.wrap(ctx, "read the release "+name, err)
}

func (c *configTx) Release(ctx context.Context, name string) (*store.Release, error) {
	r, err := one(scanRelease, c.tx.QueryRowContext(ctx, selectRelease+` WHERE project = ?1 AND name = ?2`, c.project, column.Text(name)))
	return r, c.store.wrap(ctx, "read the release "+name, err)
}

func scanRelease(row scanner) (r store.Release, err error) {
	var created int64
	var items *string
	err = row.Scan(&r.ID, &r.Project, &r.Name, &r.Set, &r.Commit, &created, &r.CreatedBy, &items)
	r.CreatedAt, r.Items = timeOf(&created), column.RawFrom(items)
	return r, err
}

func (c *configTx) AddRelease(ctx context.Context, r store.Release) error {
	rows, err := c.run(ctx, "write the release "+r.Name, `INSERT INTO releases (project, name, of_set, commit_id, created_at, created_by, items)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (project, name) DO NOTHING`,
		c.project, column.Text(r.Name), column.Text(r.Set), column.Text(r.Commit), r.CreatedAt.UnixMicro(), column.Text(r.CreatedBy), column.Raw(r.Items))
	if err == nil && rows == 0 {
		return fmt.Errorf("write the release %s: %w", r.Name, store.ErrExists)
	}
	return err
}
