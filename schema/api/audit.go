package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"paragon/schema/chain"
)

// AuditRecord says who did, or was refused, what. GET …/audit lists them.
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
	Detail  json.RawMessage `json:"detail,omitempty"`
	Project string          `json:"project"`
	// Seq and Hash are the record's place in the project's chain (package
	// schema/chain): its number from 1, and a hash in hex. Records from before
	// there was a chain have neither.
	Seq  int64  `json:"seq,omitempty"`
	Hash string `json:"hash,omitempty"`
}

// Verify checks the record as the next of its chain.
func (r *AuditRecord) Verify(v *chain.Verifier) error {
	hash, err := hex.DecodeString(r.Hash)
	if err != nil {
		return &chain.BrokenError{Seq: r.Seq, Reason: "its hash is not hex"}
	}
	return v.Add(chain.Record{Seq: r.Seq, Project: r.Project, At: r.At, Actor: r.Actor, Action: r.Action, Object: r.Object,
		Outcome: r.Outcome, From: r.From, Detail: r.Detail}, hash)
}

// AuditQuery selects audit records. Empty fields select all.
type AuditQuery struct {
	Actor, Action, Object, Outcome string
	// Since and Until are times, or durations before now.
	Since, Until string
	// Oldest lists the oldest first.
	Oldest bool
	Cursor string
	Limit  int
}

// Audit lists who did what.
func (c *Client) Audit(ctx context.Context, q AuditQuery) (*List[AuditRecord], error) {
	v := page(q.Cursor, q.Limit)
	for name, value := range map[string]string{"actor": q.Actor, "action": q.Action, "object": q.Object, "outcome": q.Outcome, "since": q.Since, "until": q.Until} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Oldest {
		v.Set("oldest", strconv.FormatBool(true))
	}
	return get[List[AuditRecord]](ctx, c, c.path("audit"), url.Values(v))
}
