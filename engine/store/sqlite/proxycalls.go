package sqlite

import (
	"context"
	"database/sql"
	"math"
	"strings"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
	"paragon/schema"
)

const proxyCallColumns = `id, project, integration, user_id, account, actor, method, path, status, error_type, error,
	sent, received, attempts, started_at, duration, trace_id, job`

func writeProxyCalls(ctx context.Context, tx *sql.Tx, calls []schema.ProxyCall) error {
	if len(calls) == 0 {
		return nil
	}
	insert, err := tx.PrepareContext(ctx, `INSERT INTO proxy_calls (`+proxyCallColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (project, id) DO NOTHING`)
	if err != nil {
		return err
	}
	defer insert.Close()
	for i := range calls {
		c := &calls[i]
		if _, err := insert.ExecContext(ctx, c.ID, column.Text(c.Project), column.Text(c.Integration), column.TextOrNil(c.User),
			column.TextOrNil(c.Account), column.TextOrNil(c.Actor), column.Text(c.Method), column.Text(c.Path), c.Status,
			column.TextOrNil(c.ErrorType), column.TextOrNil(c.Error), c.Sent, c.Received, c.Attempts, c.StartedAt.UnixMicro(),
			int64(math.Round(c.DurationMs*1000)), column.TextOrNil(c.TraceID), column.TextOrNil(c.Job)); err != nil {
			return err
		}
	}
	return nil
}

// ListProxyCalls lists calls that went through the proxy, newest first.
func (s *Store) ListProxyCalls(ctx context.Context, q store.ProxyCallQuery) ([]schema.ProxyCall, error) {
	where, args := []string{"project = ?"}, []any{column.Text(q.Project)}
	add := func(condition string, value any) { where, args = append(where, condition), append(args, value) }
	if q.Integration != "" {
		add("integration = ?", column.Text(q.Integration))
	}
	if q.User != "" {
		add("user_id = ?", column.Text(q.User))
	}
	if q.Failed {
		// Word for word the condition of the partial index.
		where = append(where, "(status >= 400 OR error_type IS NOT NULL)")
	}
	if !q.Since.IsZero() {
		add("id >= ?", schema.ProxyCallIDBound(q.Since))
	}
	if !q.Until.IsZero() {
		add("id < ?", schema.ProxyCallIDBound(q.Until))
	}
	if q.Before != "" {
		add("id < ?", column.Text(q.Before))
	}
	limit := q.Limit
	if limit <= 0 {
		limit = store.DefaultLimit
	}
	found, err := list(ctx, s.read, scanProxyCall,
		`SELECT `+proxyCallColumns+` FROM proxy_calls WHERE `+strings.Join(where, " AND ")+` ORDER BY id DESC LIMIT ?`, append(args, limit)...)
	return found, s.wrap(ctx, "list the proxy calls", err)
}

func scanProxyCall(row scanner) (c schema.ProxyCall, err error) {
	var started, duration int64
	texts := [7]*string{}
	err = row.Scan(&c.ID, &c.Project, &c.Integration, &texts[0], &texts[1], &texts[2], &c.Method, &c.Path, &c.Status, &texts[3], &texts[4],
		&c.Sent, &c.Received, &c.Attempts, &started, &duration, &texts[5], &texts[6])
	c.StartedAt, c.DurationMs = timeOf(&started), float64(duration)/1000
	for i, to := range []*string{&c.User, &c.Account, &c.Actor, &c.ErrorType, &c.Error, &c.TraceID, &c.Job} {
		if texts[i] != nil {
			*to = *texts[i]
		}
	}
	return c, err
}
