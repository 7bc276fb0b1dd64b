package column

import (
	"time"

	"paragon/engine/store"
	"paragon/schema/chain"
)

// Audit is an audit record as a database keeps it and gives it back, which is
// what its hash covers.
func Audit(project string, seq int64, a store.AuditRecord) chain.Record {
	r := chain.Record{Seq: seq, Project: project, At: a.At.UTC().Truncate(time.Microsecond), Actor: Text(a.Actor), Action: Text(a.Action),
		Object: Text(a.Object), Outcome: Text(a.Outcome), From: Text(a.From)}
	if len(a.Detail) > 0 {
		r.Detail = []byte(Text(string(a.Detail)))
	}
	return r
}
