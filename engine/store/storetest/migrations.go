package storetest

import (
	"context"
	"database/sql"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pressly/goose/v3"

	"paragon/engine/store"
	"paragon/schema"
)

// Migrations tries the way to the newest schema from every earlier one, with
// data in it, and from those with a gap, which databases have that were
// migrated while work with a lower number was not ready. Open opens a new,
// empty database twice: as a store and bare; at is how it keeps a time.
func Migrations(t *testing.T, dialect goose.Dialect, dir string, at func(time.Time) any, open func(*testing.T) (store.Store, *sql.DB)) {
	files := got(fs.ReadDir(schema.Migrations, dir))(t)
	for n := 1; n <= len(files); n++ {
		t.Run("from "+files[n-1].Name(), func(t *testing.T) {
			s, db := open(t)
			migrateFrom(t, dialect, dir, files[:n], at, s, db)
		})
		// The first two make what all others change.
		if n > 2 && n < len(files) {
			t.Run("without "+files[n-1].Name(), func(t *testing.T) {
				s, db := open(t)
				migrateFrom(t, dialect, dir, slices.Concat(files[:n-1], files[n:]), at, s, db)
			})
		}
	}
}

func migrateFrom(t *testing.T, dialect goose.Dialect, dir string, files []fs.DirEntry, at func(time.Time) any, s store.Store, db *sql.DB) {
	ctx := t.Context()
	some := fstest.MapFS{}
	for _, f := range files {
		some[f.Name()] = &fstest.MapFile{Data: got(fs.ReadFile(schema.Migrations, dir+"/"+f.Name()))(t)}
	}
	provider := got(goose.NewProvider(dialect, db, some, goose.WithDisableGlobalRegistry(true)))(t)
	got(provider.Up(ctx))(t)
	fill(ctx, t, db, at(epoch))

	all := got(fs.ReadDir(schema.Migrations, dir))(t)
	if len(files) < len(all) {
		wantError(t, s.CheckSchema(ctx), store.ErrSchema)
	}
	must(t, s.Migrate(ctx))
	must(t, s.CheckSchema(ctx))

	r := got(s.Resource(ctx, project, schema.Ref{Kind: schema.KindWorkflow, Name: "old"}))(t)
	equal(t, "an old resource", string(r.Spec), `{"steps":[]}`)
	equal(t, "its time", r.UpdatedAt, epoch)
	equal(t, "old revisions", len(got(s.Revisions(ctx, project, schema.Ref{Kind: schema.KindWorkflow, Name: "old"}, 0))(t)), 1)
	equal(t, "old audit records", got(s.Audit(ctx, store.AuditQuery{Project: project}))(t)[0].Actor, "ada")
	// What is written now goes on from what was there.
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		next := got(tx.Put(ctx, resource(schema.KindWorkflow, "old", `{}`)))(t)
		equal(t, "the next revision", next, int64(2))
		must(t, tx.Audit(ctx, store.AuditRecord{At: epoch, Actor: "bob", Action: "update", Outcome: "done"}))
	})
	appendOnly(t, s, db, dialect == goose.DialectPostgres)
}

// fill writes what the first schema has room for.
func fill(ctx context.Context, t *testing.T, db *sql.DB, at any) {
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{`INSERT INTO projects (name, created_at, data_key) VALUES ($1, $2, $3)`, []any{project, at, []byte("sealed")}},
		{`UPDATE config_version SET version = 1`, nil},
		{`INSERT INTO revisions (project, kind, name, revision, updated_at, deleted, updated_by, digest, source, spec)
			VALUES ($1, 'Workflow', 'old', 1, $2, $3, 'ada', 'd', '', '{"steps":[]}')`, []any{project, at, false}},
		{`INSERT INTO resources (project, kind, name, revision, updated_at, updated_by, digest, source, spec)
			VALUES ($1, 'Workflow', 'old', 1, $2, 'ada', 'd', '', '{"steps":[]}')`, []any{project, at}},
		{`INSERT INTO audit (at, project, actor, action, object, outcome, remote)
			VALUES ($2, $1, 'ada', 'create', 'Workflow/old', 'done', '')`, []any{project, at}},
	} {
		if _, err := db.ExecContext(ctx, q.sql, q.args...); err != nil {
			t.Fatalf("%s: %v", q.sql, err)
		}
	}
}

// appendOnly tries to change the audit log behind the store's back, as a role
// with every right on the table.
func appendOnly(t *testing.T, s store.Store, db *sql.DB, truncates bool) {
	t.Helper()
	before := got(s.Audit(t.Context(), store.AuditQuery{Project: project}))(t)
	if len(before) == 0 {
		t.Fatal("there is no audit record to change")
	}
	tries := []string{`UPDATE audit SET actor = 'eve'`, `DELETE FROM audit`, `DELETE FROM audit WHERE actor = 'bob'`}
	if truncates {
		tries = append(tries, `TRUNCATE audit`)
	}
	for _, q := range tries {
		if _, err := db.ExecContext(t.Context(), q); err == nil {
			t.Errorf("%s went through", q)
		}
	}
	equal(t, "the audit log after", got(s.Audit(t.Context(), store.AuditQuery{Project: project}))(t), before)
}
