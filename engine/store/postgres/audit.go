package postgres

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/jackc/pgx/v5"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
	"paragon/schema/chain"
)

// Audit lists audit records.
func (s *Store) Audit(ctx context.Context, q store.AuditQuery) ([]store.AuditRecord, error) {
	order, past := `DESC`, `id < $8`
	if q.Oldest {
		order, past = `ASC`, `id > $8`
	}
	found, err := list(ctx, s.pool, scanAudit, `SELECT id, project, at, actor, action, object, outcome, remote, detail::text, seq, hash
		FROM audit WHERE project = $1 AND (actor = $2 OR $2 = '') AND (action = $3 OR $3 = '') AND (object = $4 OR $4 = '')
			AND (outcome = $5 OR $5 = '') AND (at >= $6 OR $6 IS NULL) AND (at < $7 OR $7 IS NULL) AND (`+past+` OR $8 = 0)
		ORDER BY id `+order+` LIMIT $9`,
		column.Text(q.Project), column.Text(q.Actor), column.Text(q.Action), column.Text(q.Object), column.Text(q.Outcome),
		orNull(q.Since), orNull(q.Until), q.Past, limitOf(q.Limit))
	return found, s.wrap(ctx, "list the audit log", err)
}

// auditLog is the end of a project's chain with what a transaction adds.
type auditLog struct {
	known  bool // seq and hash are those of the chain
	seq    int64
	hash   []byte
	queued pgx.Batch
}

// Audit appends a record to the project's chain. The transaction is the only
// one that writes now (Update), so nothing comes between the head and it. The
// rows of all its records go together before it commits.
func (c *configTx) Audit(ctx context.Context, a store.AuditRecord) error {
	log := &c.audit
	if !log.known {
		err := c.tx.QueryRow(ctx, `SELECT seq, hash FROM audit WHERE project = $1 AND seq IS NOT NULL ORDER BY seq DESC LIMIT 1`, c.project).Scan(&log.seq, &log.hash)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return c.fail(c.store.wrap(ctx, "read the end of the audit log", err))
		}
		log.known = true
	}
	log.seq++
	r := column.Audit(c.project, log.seq, a)
	log.hash = chain.Hash(log.hash, r)
	log.queued.Queue(`INSERT INTO audit (at, project, actor, action, object, outcome, remote, detail, seq, hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		r.At, r.Project, r.Actor, r.Action, r.Object, r.Outcome, r.From, column.Raw(r.Detail), r.Seq, log.hash)
	return nil
}

// writeAudit writes the rows of the records so far.
func (c *configTx) writeAudit(ctx context.Context) error {
	if c.audit.queued.Len() == 0 {
		return nil
	}
	return c.fail(c.store.wrap(ctx, "write the audit log", c.tx.SendBatch(ctx, &c.audit.queued).Close()))
}

func scanAudit(row pgx.CollectableRow) (a store.AuditRecord, err error) {
	var detail *string
	var seq *int64
	err = row.Scan(&a.ID, &a.Project, &a.At, &a.Actor, &a.Action, &a.Object, &a.Outcome, &a.From, &detail, &seq, &a.Hash)
	a.At = a.At.UTC()
	if detail != nil {
		a.Detail = json.RawMessage(*detail)
	}
	if seq != nil {
		a.Seq = *seq
	}
	return a, err
}
