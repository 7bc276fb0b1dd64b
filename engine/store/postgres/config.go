package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
	"paragon/schema"
)

// querier is what a pool and a transaction have in common.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Update runs f in one transaction. The row of the version, locked first, is
// what serializes updates.
func (s *Store) Update(ctx context.Context, project string, f func(store.ConfigTx) error) (int64, error) {
	const what = "update the configuration"
	var version int64
	err := s.inTx(ctx, what, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT version FROM config_version FOR UPDATE`).Scan(&version); err != nil {
			return s.wrap(ctx, what, err)
		}
		c := &configTx{store: s, tx: tx, project: project}
		if err := f(c); err != nil {
			return err
		}
		if c.failed != nil {
			return c.failed
		}
		if err := c.writeAudit(ctx); err != nil {
			return err
		}
		if !c.wrote {
			return nil
		}
		version++
		_, err := tx.Exec(ctx, `UPDATE config_version SET version = $1`, version)
		return s.wrap(ctx, what, err)
	})
	if err != nil {
		return 0, err
	}
	return version, nil
}

// ConfigVersion is the number of configuration changes so far.
func (s *Store) ConfigVersion(ctx context.Context) (version int64, err error) {
	err = s.pool.QueryRow(ctx, `SELECT version FROM config_version`).Scan(&version)
	return version, s.wrap(ctx, "read the configuration's version", err)
}

// ConfigLineage is made of the cluster, the timeline of its log, which each
// promotion of a replica begins anew, and the database.
func (s *Store) ConfigLineage(ctx context.Context) (string, error) {
	const what = "read the configuration's lineage"
	var lineage *string
	err := s.pool.QueryRow(ctx, `SELECT CASE WHEN NOT pg_is_in_recovery() THEN
		(SELECT system_identifier FROM pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' ||
		(SELECT oid FROM pg_database WHERE datname = current_database()) END`).Scan(&lineage)
	switch {
	case isCode(err, codeNoPrivilege):
		return "", nil
	case err != nil:
		return "", s.wrap(ctx, what, err)
	case lineage == nil:
		return "", fmt.Errorf("%s: %w: the server only follows another", what, store.ErrUnavailable)
	}
	return *lineage, nil
}

// LoadConfig returns all current configuration from one consistent view.
func (s *Store) LoadConfig(ctx context.Context) (*store.Snapshot, error) {
	const what = "load the configuration"
	lineage, err := s.ConfigLineage(ctx)
	if err != nil {
		return nil, err
	}
	snap := &store.Snapshot{Lineage: lineage}
	err = s.inTx(ctx, what, readOnly, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT version FROM config_version`).Scan(&snap.Version)
		if err == nil {
			snap.Projects, err = list(ctx, tx, scanProject, selectProject+` ORDER BY name`)
		}
		if err == nil {
			snap.Resources, err = list(ctx, tx, scanResource, selectResource+` ORDER BY project, kind, name`)
		}
		if err == nil {
			snap.Keys, err = list(ctx, tx, scanKey, selectKey+` ORDER BY project, id`)
		}
		return s.wrap(ctx, what, err)
	})
	if err != nil {
		return nil, err
	}
	return snap, nil
}

// Resource returns a current resource.
func (s *Store) Resource(ctx context.Context, project string, ref schema.Ref) (*store.Resource, error) {
	r, err := resource(ctx, s.pool, project, ref)
	return r, s.wrap(ctx, "read "+ref.String(), err)
}

// Resources lists the current resources of a kind in name order.
func (s *Store) Resources(ctx context.Context, project string, kind schema.Kind, after string, limit int) ([]store.Resource, error) {
	found, err := list(ctx, s.pool, scanResource,
		selectResource+` WHERE project = $1 AND kind = $2 AND name > $3 ORDER BY name LIMIT $4`,
		column.Text(project), kind, column.Text(after), limitOf(limit))
	return found, s.wrap(ctx, "list the resources", err)
}

// Revisions lists the revisions of a resource, newest first.
func (s *Store) Revisions(ctx context.Context, project string, ref schema.Ref, limit int) ([]store.Resource, error) {
	found, err := list(ctx, s.pool, scanResource,
		selectRevision+` WHERE project = $1 AND kind = $2 AND name = $3 ORDER BY revision DESC LIMIT $4`,
		column.Text(project), ref.Kind, column.Text(ref.Name), limitOf(limit))
	return found, s.wrap(ctx, "list the revisions of "+ref.String(), err)
}

// Revision returns one revision of a resource.
func (s *Store) Revision(ctx context.Context, project string, ref schema.Ref, revision int64) (*store.Resource, error) {
	r, err := one(ctx, s.pool, scanResource,
		selectRevision+` WHERE project = $1 AND kind = $2 AND name = $3 AND revision = $4`,
		column.Text(project), ref.Kind, column.Text(ref.Name), revision)
	return r, s.wrap(ctx, "read a revision of "+ref.String(), err)
}

// TouchKeys records when keys were last used. Unknown ones are passed over.
func (s *Store) TouchKeys(ctx context.Context, used map[string]time.Time) error {
	ids, times := make([]string, 0, len(used)), make([]time.Time, 0, len(used))
	for id, at := range used {
		ids, times = append(ids, column.Text(id)), append(times, at)
	}
	_, err := s.pool.Exec(ctx, `UPDATE keys SET last_used = greatest(keys.last_used, used.at)
		FROM unnest($1::text[], $2::timestamptz[]) AS used (id, at) WHERE keys.id = used.id`, ids, times)
	return s.wrap(ctx, "record the use of keys", err)
}

const (
	selectProject  = `SELECT name, data_key, settings::text, created_at FROM projects`
	selectKey      = `SELECT id, project, name, role, scope, hash, created_at, created_by, expires_at, last_used FROM keys`
	selectResource = `SELECT project, kind, name, labels::text, annotations::text, spec::text, digest, source,
		revision, false, updated_at, updated_by FROM resources`
	selectRevision = `SELECT project, kind, name, labels::text, annotations::text, spec::text, digest, source,
		revision, deleted, updated_at, updated_by FROM revisions`
)

func resource(ctx context.Context, q querier, project string, ref schema.Ref) (*store.Resource, error) {
	return one(ctx, q, scanResource, selectResource+` WHERE project = $1 AND kind = $2 AND name = $3`,
		column.Text(project), ref.Kind, column.Text(ref.Name))
}

// list runs a query and scans its rows.
func list[T any](ctx context.Context, q querier, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	// Nil and not empty without rows, as in SQLite.
	return pgx.AppendRows([]T(nil), rows, scan)
}

// one runs a query for one row, and fails with pgx.ErrNoRows without it.
func one[T any](ctx context.Context, q querier, scan pgx.RowToFunc[T], sql string, args ...any) (*T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectOneRow(rows, scan)
	if err != nil {
		return nil, err
	}
	return &found, nil
}

// limitOf is a limit as LIMIT takes it: NULL for all.
func limitOf(limit int) any {
	if limit <= 0 {
		return nil
	}
	return limit
}

// timeOf is a time that may be NULL.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// orNull is a time with NULL for the zero time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func scanProject(row pgx.CollectableRow) (p store.Project, err error) {
	var settings *string
	err = row.Scan(&p.Name, &p.DataKey, &settings, &p.CreatedAt)
	p.DataKey = column.BytesFrom(p.DataKey)
	p.Settings, p.CreatedAt = column.RawFrom(settings), p.CreatedAt.UTC()
	return p, err
}

func scanResource(row pgx.CollectableRow) (r store.Resource, err error) {
	var labels, annotations, spec *string
	err = row.Scan(&r.Project, &r.Kind, &r.Metadata.Name, &labels, &annotations, &spec, &r.Digest, &r.Source,
		&r.Revision, &r.Deleted, &r.UpdatedAt, &r.UpdatedBy)
	r.Spec, r.UpdatedAt = column.RawFrom(spec), r.UpdatedAt.UTC()
	return r, errors.Join(err, column.Decode(labels, &r.Metadata.Labels), column.Decode(annotations, &r.Metadata.Annotations))
}

func scanKey(row pgx.CollectableRow) (k store.Key, err error) {
	var expires, used *time.Time
	err = row.Scan(&k.ID, &k.Project, &k.Name, &k.Role, &k.Scope, &k.Hash, &k.CreatedAt, &k.CreatedBy, &expires, &used)
	k.Hash = column.BytesFrom(k.Hash)
	k.CreatedAt, k.ExpiresAt, k.LastUsed = k.CreatedAt.UTC(), timeOf(expires), timeOf(used)
	return k, err
}
