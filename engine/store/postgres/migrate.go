package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"paragon/engine/store"
	"paragon/schema"
)

const migrations = "migrations/postgres"

// Migrate brings the schema to the newest version, under an advisory lock.
func (s *Store) Migrate(ctx context.Context) error {
	// Goose wants database/sql; this one borrows from the pool, and closing it
	// leaves the pool open.
	db := stdlib.OpenDBFromPool(s.pool)
	defer db.Close()
	// A second migration asks for the lock each second, for five minutes.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(lockMigrate), lock.WithLockTimeout(1, 300))
	if err != nil {
		return err
	}
	files, err := fs.Sub(schema.Migrations, migrations)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	_, err = provider.Up(ctx)
	return s.wrap(ctx, "migrate Postgres", err)
}

// CheckSchema returns store.ErrSchema unless the schema is the newest.
func (s *Store) CheckSchema(ctx context.Context) error {
	want, err := newest()
	if err != nil {
		return err
	}
	var have int64
	err = s.pool.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM `+goose.DefaultTablename+` WHERE is_applied`).Scan(&have)
	if err != nil && !isCode(err, codeUndefinedTable) {
		return s.wrap(ctx, "read the version of the Postgres schema", err)
	}
	switch {
	case have < want:
		return fmt.Errorf("%w: it is at version %d and this paragond needs %d: run `paragond migrate`", store.ErrSchema, have, want)
	case have > want:
		return fmt.Errorf("%w: it is at version %d and this paragond knows %d: run a newer paragond (`paragond migrate` never goes back)", store.ErrSchema, have, want)
	}
	return nil
}

// newest is the version of the last migration.
func newest() (int64, error) {
	files, err := fs.ReadDir(schema.Migrations, migrations)
	if err != nil {
		return 0, err
	}
	number, _, _ := strings.Cut(files[len(files)-1].Name(), "_")
	return strconv.ParseInt(number, 10, 64)
}

// The advisory locks of a database, named by numbers of our own.
const (
	lockMigrate int64 = 0x70617261676f6e01 + iota // "paragon", 1
	lockHistory
)
