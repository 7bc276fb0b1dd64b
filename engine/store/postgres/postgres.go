package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"paragon/engine/store"
)

const (
	// connectTimeout bounds one attempt to connect, so that callers learn soon
	// that the database is away. connect_timeout in the URL overrides it.
	connectTimeout = 3 * time.Second
	// maxConns bounds the pool. pool_max_conns in the URL overrides it.
	maxConns = 16
	// rollbackTimeout bounds the clean-up after a call that failed.
	rollbackTimeout = 5 * time.Second
)

// Store is a store in one Postgres database.
type Store struct {
	pool   *pgxpool.Pool
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

// Open makes a store of the database that a URL or a keyword/value string
// names (the form of libpq, with the pool_ parameters of pgxpool). It does not
// connect: the first use does, and fails with store.ErrUnavailable when it
// can't.
func Open(ctx context.Context, url string, options ...Option) (store.Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// The error of the parser masks the password.
		return nil, fmt.Errorf("the Postgres URL is not valid: %w", err)
	}
	if !strings.Contains(url, "connect_timeout") {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = maxConns
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "paragond"
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open Postgres: %w", err)
	}
	s := &Store{pool: pool, now: time.Now}
	for _, option := range options {
		option(s)
	}
	return s, nil
}

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return s.wrap(ctx, "ping Postgres", s.pool.Ping(ctx))
}

// Close waits for the calls under way and releases the connections.
func (s *Store) Close() error {
	s.close.Do(func() {
		s.closed.Store(true)
		s.pool.Close()
	})
	return nil
}

// inTx runs f in a transaction and commits unless it fails. Errors of f come
// back as they are.
func (s *Store) inTx(ctx context.Context, what string, options pgx.TxOptions, f func(pgx.Tx) error) (err error) {
	tx, err := s.pool.BeginTx(ctx, options)
	if err != nil {
		return s.wrap(ctx, what, err)
	}
	defer func() {
		// After a commit this does nothing. The caller's context may be over,
		// and a connection that can't roll back is lost to the pool.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		if rollbackErr := tx.Rollback(ctx); err == nil && rollbackErr != nil && !errors.Is(rollbackErr, pgx.ErrTxClosed) {
			err = s.wrap(ctx, what, rollbackErr)
		}
	}()
	if err := f(tx); err != nil {
		return err
	}
	return s.wrap(ctx, what, tx.Commit(ctx))
}

// readOnly is a transaction that sees one state of the database.
var readOnly = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
