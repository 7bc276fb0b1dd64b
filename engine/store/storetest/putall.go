package storetest

import (
	"context"
	"testing"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/chain"
)

// testPutAll writes many resources at once, with a record of each: it is as if
// they had been written one by one.
func testPutAll(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	put(t, s, resource(schema.KindWorkflow, "there", `1`), resource(schema.KindWorkflow, "gone", `1`))
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.Delete(ctx, schema.Ref{Kind: schema.KindWorkflow, Name: "gone"}, "ada", epoch))
		must(t, tx.Audit(ctx, store.AuditRecord{At: epoch, Actor: "ada", Action: "delete", Outcome: "done"}))
	})
	list := []store.Resource{resource(schema.KindWorkflow, "there", `2`), resource(schema.KindSecret, "there", `3`),
		resource(schema.KindWorkflow, "gone", `4`), resource(schema.KindWorkflow, "new", `5`)}
	want := []int64{2, 1, 3, 1}
	before := got(s.ConfigVersion(ctx))(t)
	after := update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		equal(t, "nothing", len(got(tx.PutAll(ctx, nil))(t)), 0)
		equal(t, "the revisions", got(tx.PutAll(ctx, list))(t), want)
		for _, r := range list {
			must(t, tx.Audit(ctx, store.AuditRecord{At: epoch, Actor: "ada", Action: "put", Object: r.Metadata.Name, Outcome: "done"}))
		}
		// What was written is there for the transaction.
		equal(t, "a spec", string(got(tx.Resource(ctx, schema.Ref{Kind: schema.KindWorkflow, Name: "gone"}))(t).Spec), `4`)
	})
	equal(t, "the version", after, before+1)
	for i, r := range list {
		r.Project, r.Revision = project, want[i]
		id := schema.Ref{Kind: r.Kind, Name: r.Metadata.Name}
		equal(t, "the current "+id.String(), *got(s.Resource(ctx, project, id))(t), r)
		equal(t, "the revision of "+id.String(), *got(s.Revision(ctx, project, id, want[i]))(t), r)
	}
	var v chain.Verifier
	for _, a := range got(s.Audit(ctx, store.AuditQuery{Project: project, Oldest: true}))(t) {
		must(t, v.Add(chain.Record{Seq: a.Seq, Project: a.Project, At: a.At, Actor: a.Actor, Action: a.Action, Object: a.Object,
			Outcome: a.Outcome, From: a.From, Detail: a.Detail}, a.Hash))
	}
	equal(t, "audit records in a chain", v.Len(), int64(5))
	// One that can't be written takes all back.
	broken := resource(schema.KindWorkflow, "broken", `1`)
	broken.Spec = []byte(`{`)
	_, err := s.Update(ctx, project, func(tx store.ConfigTx) error {
		_, err := tx.PutAll(ctx, []store.Resource{resource(schema.KindWorkflow, "there", `9`), broken})
		return err
	})
	if err == nil {
		return // SQLite takes any text
	}
	equal(t, "the version after a failure", got(s.ConfigVersion(ctx))(t), after)
	equal(t, "what was there", string(got(s.Resource(ctx, project, schema.Ref{Kind: schema.KindWorkflow, Name: "there"}))(t).Spec), `2`)
}
