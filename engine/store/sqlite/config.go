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

// querier is what a database and a transaction have in common.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// scanner is what a row and one of many have in common.
type scanner interface{ Scan(into ...any) error }

// Update runs f in one transaction on the one connection that writes, which is
// what serializes updates.
func (s *Store) Update(ctx context.Context, project string, f func(store.ConfigTx) error) (int64, error) {
	const what = "update the configuration"
	var version int64
	err := s.inTx(ctx, what, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, selectVersion).Scan(&version); err != nil {
			return s.wrap(ctx, what, err)
		}
		c := &configTx{store: s, tx: tx, project: project}
		if err := f(c); err != nil {
			return err
		}
		if c.failed != nil {
			return c.failed
		}
		if !c.wrote {
			return nil
		}
		version++
		_, err := tx.ExecContext(ctx, `UPDATE config_version SET version = ?`, version)
		return s.wrap(ctx, what, err)
	})
	if err != nil {
		return 0, err
	}
	return version, nil
}

// ConfigVersion is the number of configuration changes so far.
func (s *Store) ConfigVersion(ctx context.Context) (version int64, err error) {
	err = s.read.QueryRowContext(ctx, selectVersion).Scan(&version)
	return version, s.wrap(ctx, "read the configuration's version", err)
}

// ConfigLineage is that of the only one there is: nothing takes over from a
// file while it is open.
func (s *Store) ConfigLineage(ctx context.Context) (string, error) {
	_, err := s.ConfigVersion(ctx)
	return "", err
}

// LoadConfig returns all current configuration from one consistent view.
func (s *Store) LoadConfig(ctx context.Context) (*store.Snapshot, error) {
	const what = "load the configuration"
	// A read transaction sees the database as it was at its first read.
	tx, err := s.read.BeginTx(ctx, nil)
	if err != nil {
		return nil, s.wrap(ctx, what, err)
	}
	defer tx.Rollback()
	snap := &store.Snapshot{}
	err = tx.QueryRowContext(ctx, selectVersion).Scan(&snap.Version)
	if err == nil {
		snap.Projects, err = list(ctx, tx, scanProject, selectProject+` ORDER BY name`)
	}
	if err == nil {
		snap.Resources, err = list(ctx, tx, scanResource, selectResource+` ORDER BY project, kind, name`)
	}
	if err == nil {
		snap.Keys, err = list(ctx, tx, scanKey, selectKey+` ORDER BY project, id`)
	}
	if err != nil {
		return nil, s.wrap(ctx, what, err)
	}
	return snap, nil
}

// Resource returns a current resource.
func (s *Store) Resource(ctx context.Context, project string, ref schema.Ref) (*store.Resource, error) {
	r, err := resource(ctx, s.read, project, ref)
	return r, s.wrap(ctx, "read "+ref.String(), err)
}

// Resources lists the current resources of a kind in name order.
func (s *Store) Resources(ctx context.Context, project string, kind schema.Kind, after string, limit int) ([]store.Resource, error) {
	found, err := list(ctx, s.read, scanResource,
		selectResource+` WHERE project = ? AND kind = ? AND name > ? ORDER BY name LIMIT ?`,
		column.Text(project), kind, column.Text(after), limitOf(limit))
	return found, s.wrap(ctx, "list the resources", err)
}

// Revisions lists the revisions of a resource, newest first.
func (s *Store) Revisions(ctx context.Context, project string, ref schema.Ref, limit int) ([]store.Resource, error) {
	found, err := list(ctx, s.read, scanResource,
		selectRevision+` WHERE project = ? AND kind = ? AND name = ? ORDER BY revision DESC LIMIT ?`,
		column.Text(project), ref.Kind, column.Text(ref.Name), limitOf(limit))
	return found, s.wrap(ctx, "list the revisions of "+ref.String(), err)
}

// Revision returns one revision of a resource.
func (s *Store) Revision(ctx context.Context, project string, ref schema.Ref, revision int64) (*store.Resource, error) {
	r, err := one(scanResource, s.read.QueryRowContext(ctx,
		selectRevision+` WHERE project = ? AND kind = ? AND name = ? AND revision = ?`, column.Text(project), ref.Kind, column.Text(ref.Name), revision))
	return r, s.wrap(ctx, "read a revision of "+ref.String(), err)
}

// TouchKeys records when keys were last used. Unknown ones are passed over.
func (s *Store) TouchKeys(ctx context.Context, used map[string]time.Time) error {
	const what = "record the use of keys"
	return s.inTx(ctx, what, func(tx *sql.Tx) error {
		for id, at := range used {
			if _, err := tx.ExecContext(ctx, `UPDATE keys SET last_used = max(coalesce(last_used, ?1), ?1) WHERE id = ?2`, at.UnixMicro(), id); err != nil {
				return s.wrap(ctx, what, err)
			}
		}
		return nil
	})
}

const (
	selectVersion  = `SELECT version FROM config_version`
	selectProject  = `SELECT name, data_key, settings, created_at FROM projects`
	selectKey      = `SELECT id, project, name, role, scope, hash, created_at, created_by, expires_at, last_used FROM keys`
	selectResource = `SELECT project, kind, name, labels, annotations, spec, digest, source,
		revision, 0, updated_at, updated_by FROM resources`
	selectRevision = `SELECT project, kind, name, labels, annotations, spec, digest, source,
		revision, deleted, updated_at, updated_by FROM revisions`
)

func resource(ctx context.Context, q querier, project string, ref schema.Ref) (*store.Resource, error) {
	return one(scanResource, q.QueryRowContext(ctx, selectResource+` WHERE project = ? AND kind = ? AND name = ?`, column.Text(project), ref.Kind, column.Text(ref.Name)))
}

// list runs a query and scans its rows.
func list[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []T
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, item)
	}
	return found, rows.Err()
}

// one scans a single row, and fails with sql.ErrNoRows without it.
func one[T any](scan func(scanner) (T, error), row *sql.Row) (*T, error) {
	found, err := scan(row)
	if err != nil {
		return nil, err
	}
	return &found, nil
}

// limitOf is a limit as LIMIT takes it: negative for all.
func limitOf(limit int) int {
	if limit <= 0 {
		return -1
	}
	return limit
}

// timeOf is a time of a column that may be NULL.
func timeOf(micros *int64) time.Time {
	if micros == nil {
		return time.Time{}
	}
	return time.UnixMicro(*micros).UTC()
}

func scanProject(row scanner) (p store.Project, err error) {
	var settings *string
	var created int64
	err = row.Scan(&p.Name, &p.DataKey, &settings, &created)
	p.DataKey = column.BytesFrom(p.DataKey)
	p.Settings, p.CreatedAt = column.RawFrom(settings), timeOf(&created)
	return p, err
}

func scanResource(row scanner) (r store.Resource, err error) {
	var labels, annotations, spec *string
	var updated int64
	err = row.Scan(&r.Project, &r.Kind, &r.Metadata.Name, &labels, &annotations, &spec, &r.Digest, &r.Source,
		&r.Revision, &r.Deleted, &updated, &r.UpdatedBy)
	if err != nil {
		return r, err
	}
	r.Spec, r.UpdatedAt = column.RawFrom(spec), timeOf(&updated)
	return r, errors.Join(column.Decode(labels, &r.Metadata.Labels), column.Decode(annotations, &r.Metadata.Annotations))
}

func scanKey(row scanner) (k store.Key, err error) {
	var created int64
	var expires, used *int64
	err = row.Scan(&k.ID, &k.Project, &k.Name, &k.Role, &k.Scope, &k.Hash, &created, &k.CreatedBy, &expires, &used)
	k.Hash = column.BytesFrom(k.Hash)
	k.CreatedAt, k.ExpiresAt, k.LastUsed = timeOf(&created), timeOf(expires), timeOf(used)
	return k, err
}
