package postgres

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
	"paragon/schema"
)

var proxyCallColumns = []string{"started_at", "duration", "sent", "received", "status", "attempts", "id", "project", "integration",
	"user_id", "account", "actor", "method", "path", "error_type", "error", "trace_id", "job"}

// appendProxyCall appends the columns of proxyCallColumns.
func appendProxyCall(row *copyRow, c *schema.ProxyCall) error {
	row.time(c.StartedAt)
	row.bigint(int64(math.Round(c.DurationMs * 1000)))
	row.bigint(c.Sent)
	row.bigint(c.Received)
	row.integer(c.Status)
	row.integer(c.Attempts)
	row.text(c.ID)
	row.text(c.Project)
	row.text(c.Integration)
	row.textOrNull(c.User)
	row.textOrNull(c.Account)
	row.textOrNull(c.Actor)
	row.text(c.Method)
	row.text(c.Path)
	for _, s := range []string{c.ErrorType, c.Error, c.TraceID, c.Job} {
		row.textOrNull(s)
	}
	return nil
}

func copyProxyCalls(ctx context.Context, tx pgx.Tx, table string, calls []schema.ProxyCall) error {
	return copyRowsInto(ctx, tx, table, proxyCallColumns, len(calls), func(row *copyRow, i int) error {
		return appendProxyCall(row, &calls[i])
	})
}

// mergeProxyCalls writes the calls beside those that are there, which stay.
func mergeProxyCalls(ctx context.Context, tx pgx.Tx, calls []schema.ProxyCall) error {
	if len(calls) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, `CREATE TEMP TABLE new_proxy_calls (LIKE proxy_calls) ON COMMIT DROP`); err != nil {
		return err
	}
	if err := copyProxyCalls(ctx, tx, "new_proxy_calls", calls); err != nil {
		return err
	}
	columns := strings.Join(proxyCallColumns, ", ")
	_, err := tx.Exec(ctx, `INSERT INTO proxy_calls (`+columns+`) SELECT `+columns+` FROM new_proxy_calls ON CONFLICT (project, id) DO NOTHING`)
	return err
}

// ListProxyCalls lists calls that went through the proxy, newest first.
func (s *Store) ListProxyCalls(ctx context.Context, q store.ProxyCallQuery) ([]schema.ProxyCall, error) {
	var where []string
	var args []any
	add := func(condition string, value any) {
		args = append(args, value)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	add("project = $%d", column.Text(q.Project))
	if q.Integration != "" {
		add("integration = $%d", column.Text(q.Integration))
	}
	if q.User != "" {
		add("user_id = $%d", column.Text(q.User))
	}
	if q.Failed {
		// Word for word the condition of the partial index.
		where = append(where, "(status >= 400 OR error_type IS NOT NULL)")
	}
	// An id holds when its call began: the bounds leave whole partitions out.
	if !q.Since.IsZero() {
		add("id >= $%d", schema.ProxyCallIDBound(q.Since))
	}
	if !q.Until.IsZero() {
		add("id < $%d", schema.ProxyCallIDBound(q.Until))
	}
	if q.Before != "" {
		add("id < $%d", column.Text(q.Before))
	}
	limit := q.Limit
	if limit <= 0 {
		limit = store.DefaultLimit
	}
	sql := fmt.Sprintf("SELECT %s FROM proxy_calls WHERE %s ORDER BY id DESC LIMIT %d", strings.Join(proxyCallColumns, ", "), strings.Join(where, " AND "), limit)
	// Planned each time, as the list of runs.
	found, err := list(ctx, s.pool, scanProxyCall, sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
	return found, s.wrap(ctx, "list the proxy calls", err)
}

func scanProxyCall(row pgx.CollectableRow) (c schema.ProxyCall, err error) {
	var started time.Time
	var duration int64
	texts := [7]*string{}
	err = row.Scan(&started, &duration, &c.Sent, &c.Received, &c.Status, &c.Attempts, &c.ID, &c.Project, &c.Integration,
		&texts[0], &texts[1], &texts[2], &c.Method, &c.Path, &texts[3], &texts[4], &texts[5], &texts[6])
	c.StartedAt, c.DurationMs = started.UTC(), float64(duration)/1000
	for i, to := range []*string{&c.User, &c.Account, &c.Actor, &c.ErrorType, &c.Error, &c.TraceID, &c.Job} {
		if texts[i] != nil {
			*to = *texts[i]
		}
	}
	return c, err
}
