package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
	"paragon/schema"
)

// configTx is one transaction of Update.
type configTx struct {
	store   *Store
	tx      *sql.Tx
	project string
	wrote   bool
	// changes are those of users so far.
	changes []store.UserChange
	// failed is the first statement that did: as in Postgres, nothing is
	// written then, even when the caller goes on.
	failed error
}

// exec runs a statement that changes the configuration.
func (c *configTx) exec(ctx context.Context, what, sql string, args ...any) (rows int64, err error) {
	rows, err = c.run(ctx, what, sql, args...)
	c.wrote = c.wrote || rows > 0
	return rows, err
}

func (c *configTx) run(ctx context.Context, what, sql string, args ...any) (rows int64, err error) {
	result, err := c.tx.ExecContext(ctx, sql, args...)
	if err == nil {
		rows, err = result.RowsAffected()
	}
	return rows, c.fail(c.store.wrap(ctx, what, err))
}

// fail notes and returns an error of a statement.
func (c *configTx) fail(err error) error {
	if c.failed == nil {
		c.failed = err
	}
	return err
}

func (c *configTx) Project(ctx context.Context) (*store.Project, error) {
	p, err := one(scanProject, c.tx.QueryRowContext(ctx, selectProject+` WHERE name = ?1`, c.project))
	return p, c.store.wrap(ctx, "read the project "+c.project, err)
}

func (c *configTx) PutProject(ctx context.Context, p store.Project) error {
	if p.Name != "" && p.Name != c.project {
		return fmt.Errorf("write the project %s in an update of the project %s", p.Name, c.project)
	}
	_, err := c.exec(ctx, "write the project "+c.project, `INSERT INTO projects (name, data_key, settings, created_at)
		VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO UPDATE SET data_key = excluded.data_key, settings = excluded.settings`,
		c.project, column.Bytes(p.DataKey), column.Raw(p.Settings), p.CreatedAt.UnixMicro())
	return err
}

func (c *configTx) Resource(ctx context.Context, ref schema.Ref) (*store.Resource, error) {
	r, err := resource(ctx, c.tx, c.project, ref)
	return r, c.store.wrap(ctx, "read "+ref.String(), err)
}

func (c *configTx) Resources(ctx context.Context, kind schema.Kind) ([]store.Resource, error) {
	found, err := list(ctx, c.tx, scanResource, selectResource+` WHERE project = ?1 AND kind = ?2 ORDER BY name`, c.project, kind)
	return found, c.store.wrap(ctx, "list the resources", err)
}

func (c *configTx) Put(ctx context.Context, r store.Resource) (revision int64, err error) {
	what := "write " + schema.Ref{Kind: r.Kind, Name: r.Metadata.Name}.String()
	labels, err1 := column.Strings(r.Metadata.Labels)
	annotations, err2 := column.Strings(r.Metadata.Annotations)
	if err := errors.Join(err1, err2); err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	revision, err = c.nextRevision(ctx, r.Kind, r.Metadata.Name)
	if err != nil {
		return 0, err
	}
	args := []any{c.project, r.Kind, r.Metadata.Name, revision, r.UpdatedAt.UnixMicro(), r.UpdatedBy, r.Digest, r.Source,
		labels, annotations, column.Raw(r.Spec)}
	if _, err := c.exec(ctx, what, `INSERT INTO revisions (project, kind, name, revision, updated_at, updated_by, digest, source,
		labels, annotations, spec, deleted) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, false)`, args...); err != nil {
		return 0, err
	}
	_, err = c.exec(ctx, what, `INSERT INTO resources (project, kind, name, revision, updated_at, updated_by, digest, source,
		labels, annotations, spec) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
		ON CONFLICT (project, kind, name) DO UPDATE SET revision = excluded.revision, updated_at = excluded.updated_at,
		updated_by = excluded.updated_by, digest = excluded.digest, source = excluded.source,
		labels = excluded.labels, annotations = excluded.annotations, spec = excluded.spec`, args...)
	return revision, err
}

// PutAll has no round trips to save.
func (c *configTx) PutAll(ctx context.Context, list []store.Resource) ([]int64, error) {
	revisions := make([]int64, len(list))
	for i, r := range list {
		var err error
		if revisions[i], err = c.Put(ctx, r); err != nil {
			return nil, err
		}
	}
	return revisions, nil
}

// nextRevision needs no lock: the whole transaction is alone.
func (c *configTx) nextRevision(ctx context.Context, kind schema.Kind, name string) (next int64, err error) {
	err = c.tx.QueryRowContext(ctx, `SELECT coalesce(max(revision), 0) + 1 FROM revisions WHERE project = ?1 AND kind = ?2 AND name = ?3`,
		c.project, kind, name).Scan(&next)
	return next, c.fail(c.store.wrap(ctx, "number a revision of "+schema.Ref{Kind: kind, Name: name}.String(), err))
}

func (c *configTx) Delete(ctx context.Context, ref schema.Ref, by string, at time.Time) error {
	what := "delete " + ref.String()
	rows, err := c.exec(ctx, what, `DELETE FROM resources WHERE project = ?1 AND kind = ?2 AND name = ?3`, c.project, ref.Kind, column.Text(ref.Name))
	if err != nil {
		return err
	}
	if rows == 0 {
		return fmt.Errorf("%s: %w", what, store.ErrNotFound)
	}
	revision, err := c.nextRevision(ctx, ref.Kind, ref.Name)
	if err != nil {
		return err
	}
	_, err = c.exec(ctx, what, `INSERT INTO revisions (project, kind, name, revision, updated_at, updated_by, digest, source, deleted)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, '', '', true)`, c.project, ref.Kind, ref.Name, revision, at.UnixMicro(), by)
	return err
}

func (c *configTx) PutKey(ctx context.Context, k store.Key) error {
	// A stale copy of a key must not take back its last use.
	rows, err := c.exec(ctx, "write the key "+k.ID, `INSERT INTO keys (id, project, name, role, hash, created_at, created_by, expires_at, last_used, scope)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role, scope = excluded.scope, hash = excluded.hash,
			created_at = excluded.created_at, created_by = excluded.created_by, expires_at = excluded.expires_at,
			last_used = max(coalesce(last_used, excluded.last_used), coalesce(excluded.last_used, last_used))
		WHERE keys.project = excluded.project`,
		k.ID, c.project, k.Name, k.Role, column.Bytes(k.Hash), k.CreatedAt.UnixMicro(), k.CreatedBy, column.Micros(k.ExpiresAt), column.Micros(k.LastUsed), k.Scope)
	if err == nil && rows == 0 {
		return fmt.Errorf("write the key %s: %w in another project", k.ID, store.ErrExists)
	}
	return err
}

func (c *configTx) DeleteKey(ctx context.Context, id string) error {
	rows, err := c.exec(ctx, "delete the key "+id, `DELETE FROM keys WHERE project = ?1 AND id = ?2`, c.project, column.Text(id))
	if err == nil && rows == 0 {
		return fmt.Errorf("delete the key %s: %w", id, store.ErrNotFound)
	}
	return err
}

func (c *configTx) Keys(ctx context.Context) ([]store.Key, error) {
	found, err := list(ctx, c.tx, scanKey, selectKey+` WHERE project = ?1 ORDER BY id`, c.project)
	return found, c.store.wrap(ctx, "list the keys", err)
}
