package config

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

// trail is the detail of each audit record of the project, oldest first.
func (r *rig) trail() []store.AuditRecord {
	r.t.Helper()
	records, err := r.svc.Audit(context.Background(), store.AuditQuery{Project: "default", Oldest: true})
	if err != nil {
		r.t.Fatal(err)
	}
	return records
}

// The audit log has what was before each change and what is after it, secrets
// as digests.
func TestAuditHasBeforeAndAfter(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	one := schema.Ref{Kind: schema.KindWorkflow, Name: "one"}
	owner := alice
	owner.Role = RoleOwner
	r.mustApply("set", workflow("one", "first"), secretDoc("TOKEN", "hunter2-value"), workflow("two", "x"))
	r.mustApply("set", workflow("one", "second"), secretDoc("TOKEN", "other-value"))
	if _, err := r.svc.Rollback(ctx, alice, "default", one, 1, Condition{}); err != nil {
		t.Fatal(explain(err))
	}
	if _, err := r.apply(ApplyOptions{Prune: true}, "set", workflow("one", "first"), secretDoc("TOKEN", "other-value")); err != nil {
		t.Fatal(explain(err))
	}
	for _, id := range []schema.Ref{one, {Kind: schema.KindSecret, Name: "TOKEN"}} {
		if err := r.svc.Delete(ctx, alice, "default", id, Condition{}, false); err != nil {
			t.Fatal(explain(err))
		}
	}
	if _, err := r.svc.Rollback(ctx, alice, "default", one, 1, Condition{}); err != nil {
		t.Fatal(explain(err))
	}
	made, err := r.svc.CreateKey(ctx, owner, "default", api.CreateKeyRequest{Name: "ci", Role: "viewer"})
	if err != nil {
		t.Fatal(explain(err))
	}
	turned, err := r.svc.RotateKey(ctx, owner, "default", made.ID, time.Minute)
	if err != nil {
		t.Fatal(explain(err))
	}
	if err := r.svc.DeleteKey(ctx, owner, "default", turned.ID); err != nil {
		t.Fatal(explain(err))
	}

	var log []string
	for _, rec := range r.trail() {
		var d struct {
			Changes       []api.FieldChange
			Before, After json.RawMessage
		}
		if err := json.Unmarshal(rec.Detail, &d); err != nil {
			t.Fatalf("%s: %v", rec.Detail, err)
		}
		line := rec.Action + " " + strings.NewReplacer(made.ID, "KEY", turned.ID, "NEXT").Replace(rec.Object) + ":"
		for _, c := range d.Changes {
			line += " " + c.Field + " " + string(c.Before) + " " + string(c.After)
		}
		for _, side := range []struct {
			name string
			text json.RawMessage
		}{{"before", d.Before}, {"after", d.After}} {
			switch text := string(side.text); {
			case text == "":
			case strings.Contains(text, `"first"`):
				line += " " + side.name + " first"
			case strings.Contains(text, `"sealed"`):
				t.Errorf("a record has what is sealed: %s", text)
			default:
				line += " " + side.name
			}
		}
		log = append(log, line)
		if strings.Contains(string(rec.Detail), "hunter2") || strings.Contains(string(rec.Detail), "other-value") || strings.Contains(string(rec.Detail), made.Token) {
			t.Errorf("a record has a secret: %s", rec.Detail)
		}
	}
	for _, want := range []string{
		"create project/default: after",
		"create workflow/one: after first", "create secret/TOKEN: after",
		`update workflow/one: spec.steps[stop].fail.message "first" "second"`,
		`rollback workflow/one: spec.steps[stop].fail.message "second" "first"`,
		"delete workflow/two: before",
		"delete workflow/one: before first", "delete secret/TOKEN: before",
		"rollback workflow/one: after first",
		"create key/KEY: after", "rotate key/KEY: before after", "delete key/NEXT: before",
	} {
		if !slices.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, strings.Join(log, "\n"))
		}
	}
	secret := slices.IndexFunc(log, func(line string) bool { return strings.HasPrefix(line, "update secret/TOKEN: spec.digest ") })
	if secret < 0 || strings.Count(log[secret], `"`) != 4 {
		t.Errorf("the change of a secret is not told by its digests:\n%s", strings.Join(log, "\n"))
	}
}

// A spec that is too large for the log is there by its digest.
func TestAuditOfALargeResource(t *testing.T) {
	r := newRig(t)
	res := r.mustApply("", workflow("big", strings.Repeat("x", maxAudited)))
	records := r.trail()
	last := records[len(records)-1]
	if len(last.Detail) > 1000 || !strings.Contains(string(last.Detail), `"digest"`) || last.Object != res.Items[0].Ref.String() {
		t.Errorf("%d bytes about %s", len(last.Detail), last.Object)
	}
}
