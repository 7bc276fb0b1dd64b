package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"paragon/engine/store"
)

// SQLSTATEs that are told apart (PostgreSQL documentation, appendix A).
const (
	codeUniqueViolation = "23505"
	codeCheckViolation  = "23514"
	codeUndefinedTable  = "42P01"
	codeLockTimeout     = "55P03"
	codeNoPrivilege     = "42501"
)

// wrap says what failed, as one of the store's errors where it is one.
func (s *Store) wrap(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case s.closed.Load():
		return fmt.Errorf("%s: %w", what, store.ErrClosed)
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", what, ctx.Err())
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%s: %w", what, store.ErrNotFound)
	case isCode(err, codeUndefinedTable):
		return fmt.Errorf("%s: %w: run `paragond migrate` (%w)", what, store.ErrSchema, err)
	case unavailable(err):
		return fmt.Errorf("%s: %w: %w", what, store.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func isCode(err error, code string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == code
}

// unavailable tells whether the same call may succeed later.
func unavailable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch {
		case strings.HasPrefix(pg.Code, "08"), // the connection broke
			strings.HasPrefix(pg.Code, "40"),  // a deadlock or a lost race: all was rolled back
			strings.HasPrefix(pg.Code, "53"),  // out of connections, memory or disk
			strings.HasPrefix(pg.Code, "57P"), // shutting down or starting up
			pg.Code == codeLockTimeout,
			pg.Code == "25006": // read-only: a failover is under way
			return true
		}
		return false
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded) || // not the caller's: the time to connect
		strings.HasSuffix(err.Error(), "conn closed")
}
