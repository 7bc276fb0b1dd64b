package postgres

import (
	"context"
	"time"
)

// Server is what a database server says of itself.
type Server struct {
	// Version is as people write it ("16.4"); Major its first number.
	Version string
	Major   int
	// Now is its clock.
	Now time.Time
}

// Server asks the database server for its version and its clock.
func (s *Store) Server(ctx context.Context) (Server, error) {
	var out Server
	err := s.pool.QueryRow(ctx, `SELECT current_setting('server_version'),
		current_setting('server_version_num')::int / 10000, clock_timestamp()`).Scan(&out.Version, &out.Major, &out.Now)
	return out, s.wrap(ctx, "ask Postgres for its version", err)
}
