package postgres

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"paragon/engine/store/internal/migration"
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
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true),
		goose.WithAllowOutofOrder(true)) // a lower number may come later: migration.Check
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	_, err = provider.Up(ctx)
	return s.wrap(ctx, "migrate Postgres", err)
}

// CheckSchema returns store.ErrSchema unless the schema has every migration.
func (s *Store) CheckSchema(ctx context.Context) error {
	var applied []int64
	rows, err := s.pool.Query(ctx, `SELECT version_id FROM `+goose.DefaultTablename+` WHERE is_applied`)
	if err == nil {
		applied, err = pgx.CollectRows(rows, pgx.RowTo[int64])
	}
	if err != nil && !isCode(err, codeUndefinedTable) {
		return s.wrap(ctx, "read the version of the Postgres schema", err)
	}
	return migration.Check("it", migrations, applied)
}

// The advisory locks of a database, named by numbers of our own.
const (
	lockMigrate int64 = 0x70617261676f6e01 + iota // "paragon", 1
	lockHistory
)
