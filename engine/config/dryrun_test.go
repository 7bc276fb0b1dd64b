package config

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"paragon/schema"
	"paragon/schema/api"
)

// A dry run says what the apply then does: the same plan and the same warnings,
// or the same refusal with the same findings; and it changes nothing.
func TestDryRunSaysWhatTheApplyDoes(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	docs := []func(name, text string) string{
		workflow,
		secretDoc,
		func(name, text string) string { return workflow(name, "${{ secrets."+strings.ToUpper(text)+" }}") },
		func(name, text string) string {
			return strings.Replace(workflow(name, ""), `fail: {message: ""}`, "call: {workflow: "+text+"}", 1)
		},
		func(name, text string) string {
			return strings.Replace(workflow(name, text), "spec:\n", "spec:\n  input: {type: object, required: ["+text+"]}\n", 1)
		},
	}
	told := func(res *api.ApplyResult, err error) string {
		if err != nil {
			return explain(err)
		}
		out := fmt.Sprint(res.Changed)
		for _, i := range res.Items {
			out += fmt.Sprintf("\n%s %s %+v", i.Action, i.Ref, i.Changes)
		}
		for _, w := range res.Warnings {
			out += "\n" + w.Code + " " + w.Resource + " " + w.Message
		}
		return out
	}
	rapid.Check(t, func(t *rapid.T) {
		req := api.ApplyRequest{Set: rapid.SampledFrom([]string{"blue", "green"}).Draw(t, "set"),
			Release: rapid.SampledFrom([]string{"", "", "v1", "v2", "v3"}).Draw(t, "release")}
		for i := range rapid.IntRange(0, 4).Draw(t, "documents") {
			kind := rapid.SampledFrom(docs).Draw(t, "kind")
			content := kind(rapid.SampledFrom([]string{"a", "b", "c", "Bad_Name"}).Draw(t, "name"), rapid.SampledFrom([]string{"a", "b", "long-value"}).Draw(t, "text"))
			req.Files = append(req.Files, api.File{Name: fmt.Sprintf("%d.yaml", i), Content: content})
		}
		prune := rapid.Bool().Draw(t, "prune")
		before, err := r.store.LoadConfig(ctx)
		if err != nil {
			t.Fatal(err)
		}
		plan := told(r.svc.Apply(ctx, alice, "default", req, ApplyOptions{DryRun: true, Prune: prune}))
		if after, err := r.store.LoadConfig(ctx); err != nil || fmt.Sprint(after) != fmt.Sprint(before) {
			t.Fatalf("the dry run changed something: %v", err)
		}
		if _, err := r.store.Release(ctx, "default", req.Release); req.Release != "" && err == nil && !strings.Contains(plan, "exists") && strings.HasPrefix(plan, "true") {
			t.Fatalf("a dry run goes on with a release that there is: %s", plan)
		}
		done := told(r.svc.Apply(ctx, alice, "default", req, ApplyOptions{Prune: prune}))
		if plan != done {
			t.Fatalf("the dry run said:\n%s\nthe apply:\n%s", plan, done)
		}
	})
}

// Going back to a revision that uses what is gone is refused, of one resource
// as of a release.
func TestRollbackChecksWhatItUses(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	caller := strings.Replace(workflow("caller", ""), `fail: {message: ""}`, "call: {workflow: callee}", 1)
	r.mustApply("", caller, workflow("callee", "x"))
	r.mustApply("", workflow("caller", "alone"))
	if err := r.svc.Delete(ctx, alice, "default", schema.Ref{Kind: schema.KindWorkflow, Name: "callee"}, Condition{}, false); err != nil {
		t.Fatal(explain(err))
	}
	id := schema.Ref{Kind: schema.KindWorkflow, Name: "caller"}
	_, err := r.svc.Rollback(ctx, alice, "default", id, 1, Condition{})
	wantProblem(t, err, schema.ProblemInvalid, "calls workflow callee, which does not exist")
	if w := r.cache().Workflow("caller"); w == nil || w.Revision != 2 {
		t.Errorf("the refused rollback left %+v", w)
	}
	if _, err := r.svc.Rollback(ctx, alice, "default", schema.Ref{Kind: schema.KindWorkflow, Name: "callee"}, 1, Condition{}); err != nil {
		t.Fatal(explain(err))
	}
	if _, err := r.svc.Rollback(ctx, alice, "default", id, 1, Condition{}); err != nil {
		t.Errorf("with what it calls back: %s", explain(err))
	}
}
