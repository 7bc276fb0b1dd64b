package api

import (
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
