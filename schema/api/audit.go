package api

import (
	"context"
	"encoding/json"
	"time"
)

// AuditRecord says who did, or was refused, what. GET …/audit?cursor=&limit=
// lists them, newest first.
type AuditRecord struct {
	ID    int64     `json:"id"`
	At    time.Time `json:"at"`
	Actor string    `json:"actor"`
	// Action is what was done ("create", "update", "delete", "rollback") or the
	// permission that was missing ("config.write").
	Action string `json:"action"`
	// Object is what it was done to ("workflow/lead-sync").
	Object string `json:"object,omitempty"`
	// Outcome is "done" or "refused".
	Outcome string `json:"outcome"`
	// From is the remote address.
	From string `json:"from,omitempty"`
	// Detail is what changed, secrets as digests, or why it was refused.
	Detail json.RawMessage `json:"detail,omitempty"`
}

// Audit returns a page of the audit log, newest first, from the cursor of the
// page before (empty: the first), at most limit records (0: as many as the
// server gives).
func (c *Client) Audit(ctx context.Context, cursor string, limit int) (*List[AuditRecord], error) {
	return get[List[AuditRecord]](ctx, c, c.path("audit"), page(cursor, limit))
}
