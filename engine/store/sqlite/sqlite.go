package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"paragon/engine/store"
	"paragon/engine/store/internal/migration"
	"paragon/schema"
)

const (
	migrations = "migrations/sqlite"
	// readers is how many connections read at once.
	readers = 4
	// busyTimeout is how long a write waits for another process's.
	busyTimeout = 10 * time.Second
)

// Store is a store in one SQLite file.
type Store struct {
	path   string
	write  *sql.DB // one connection
	read   *sql.DB
	now    func() time.Time
	close  sync.Once
	closed atomic.Bool
}

var _ store.Store = (*Store)(nil)

// Option changes how a store is opened.
type Option func(*Store)

// WithClock sets the clock that decides whether an idempotency key has
// expired. The default is time.Now.
func WithClock(now func() time.Time) Option { return func(s *Store) { s.now = now } }

// Open makes a store of the file at a path, whose directory must exist. The
// file is created when it is missing; its tables are Migrate's.
func Open(ctx context.Context, path string, options ...Option) (store.Store, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open SQLite: %w", err)
	}
	s := &Store{path: absolute, now: time.Now}
	for _, option := range options {
		option(s)
	}
	// FULL syncs the log at each commit: NORMAL would survive a SIGKILL, and
	// lose the last commits with the power. Callers commit in groups, so that
	// one sync serves many.
	s.write, err = sql.Open("sqlite", dsn(absolute, "immediate", "journal_mode(WAL)", "synchronous(FULL)"))
	if err != nil {
		return nil, fmt.Errorf("open SQLite: %w", err)
	}
	s.write.SetMaxOpenConns(1)
	s.write.SetMaxIdleConns(1)
	s.read, err = sql.Open("sqlite", dsn(absolute, "deferred", "query_only(1)"))
	if err != nil {
		s.write.Close()
		return nil, fmt.Errorf("open SQLite: %w", err)
	}
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	// The first write connection turns the write-ahead log on, which readers
	// can't do.
	if err := s.write.PingContext(ctx); err != nil {
		err = s.wrap(ctx, "open the SQLite file "+absolute, err)
		s.Close()
		return nil, err
	}
	return s, nil
}

// dsn names a file for the driver, with what each connection sets first.
func dsn(path, lock string, pragmas ...string) string {
	pragmas = append([]string{fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds())}, pragmas...)
	query := url.Values{"_txlock": {lock}, "_pragma": append(pragmas, "cache_size(-16384)")}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}).String()
}

// Ping tells whether the file can be read.
func (s *Store) Ping(ctx context.Context) error {
	var tables int
	return s.wrap(ctx, "ping SQLite", s.read.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tables))
}

// Close waits for the calls under way and closes the file.
func (s *Store) Close() (err error) {
	s.close.Do(func() {
		s.closed.Store(true)
		// The writer last: its close folds the write-ahead log into the file.
		err = errors.Join(s.read.Close(), s.write.Close())
	})
	return err
}

// Migrate brings the schema to the newest version. A second process that
// migrates the same file waits.
func (s *Store) Migrate(ctx context.Context) error {
	const what = "migrate SQLite"
	unlock, err := s.lockMigration(ctx)
	if err != nil {
		return s.wrap(ctx, what, err)
	}
	defer unlock()
	files, err := fs.Sub(schema.Migrations, migrations)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, s.write, files, goose.WithDisableGlobalRegistry(true),
		goose.WithAllowOutofOrder(true)) // a lower number may come later: migration.Check
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	_, err = provider.Up(ctx)
	return s.wrap(ctx, what, err)
}

// lockMigration takes a lock that lasts over the several transactions of a
// migration: an exclusive transaction on an empty database beside the file,
// which every system that SQLite runs on can lock, and which a process that
// dies lets go.
func (s *Store) lockMigration(ctx context.Context) (unlock func(), err error) {
	if s.closed.Load() {
		return nil, store.ErrClosed
	}
	db, err := sql.Open("sqlite", dsn(s.path+".migrate", "exclusive"))
	if err != nil {
		return nil, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		db.Close()
		return nil, err
	}
	return func() { tx.Rollback(); db.Close() }, nil
}

// CheckSchema returns store.ErrSchema unless the schema has every migration.
func (s *Store) CheckSchema(ctx context.Context) error {
	const what = "read the version of the SQLite schema"
	rows, err := s.read.QueryContext(ctx, `SELECT version_id FROM `+goose.DefaultTablename+` WHERE is_applied`)
	if err != nil && !noTable(err) {
		return s.wrap(ctx, what, err)
	}
	var applied []int64
	if err == nil {
		defer rows.Close()
		for rows.Next() {
			var n int64
			if err := rows.Scan(&n); err != nil {
				return s.wrap(ctx, what, err)
			}
			applied = append(applied, n)
		}
		if err := rows.Err(); err != nil {
			return s.wrap(ctx, what, err)
		}
	}
	return migration.Check(s.path, migrations, applied)
}

// inTx runs f in a transaction that has the right to write from its begin, and
// commits unless it fails. Errors of f come back as they are.
func (s *Store) inTx(ctx context.Context, what string, f func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return s.wrap(ctx, what, err)
	}
	defer tx.Rollback() // does nothing after a commit
	if err := f(tx); err != nil {
		return err
	}
	return s.wrap(ctx, what, tx.Commit())
}

// wrap says what failed, as one of the store's errors where it is one.
func (s *Store) wrap(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case s.closed.Load():
		return fmt.Errorf("%s: %w", what, store.ErrClosed)
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", what, ctx.Err())
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", what, store.ErrNotFound)
	case noTable(err):
		return fmt.Errorf("%s: %w: run `paragond migrate` (%w)", what, store.ErrSchema, err)
	case unavailable(err):
		return fmt.Errorf("%s: %w: %w", what, store.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// noTable tells whether a table is missing. SQLite has no code for it.
func noTable(err error) bool { return strings.Contains(err.Error(), "no such table") }

// unavailable tells whether the same call may succeed later.
func unavailable(err error) bool {
	var failure *driver.Error
	if !errors.As(err, &failure) {
		return false
	}
	switch failure.Code() & 0xff { // the primary code; the rest is detail
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN:
		return true
	}
	return false
}
