package schema

import (
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	for _, tt := range []struct{ path, wantType, wantField, wantDoc string }{
		{"workflow", "object", "spec", "A Workflow document."},
		{"Workflows.metadata.labels", "map of strings", "", "selection"},
		{"workflow.spec", "object", "steps", ""},
		{"workflow.spec.steps", "list of objects", "forEach", "run in order"},
		{"workflow.spec.steps.retry", "object", "maxAttempts", "an attempt fails"},
		{"workflow.spec.steps.retry.maxInterval", "duration", "", "single wait"},
		{"workflow.spec.steps.parallel.branches", "map of objects", "steps", "by name"},
		{"workflow.spec.steps.parallel.branches.steps.steps.switch.steps.request.auth.basic.password", "string", "", "Secret"},
		{"workflow.spec.priority", "string", "", "queued runs"},
		{"workflow.spec.output", "any", "", "respond"},
		{"integration.spec.auth.oauth2.clientId", "string or object", "secret", "client"},
		{"integration", "object", "spec", "An Integration document."},
		{"secret.spec.valueFrom", "object", "env", "paragonctl reads"},
	} {
		t.Run(tt.path, func(t *testing.T) {
			e, err := Explain(tt.path)
			if err != nil {
				t.Fatal(err)
			}
			if e.Type != tt.wantType || !strings.Contains(e.Doc, tt.wantDoc) {
				t.Errorf("%s: %s", e.Type, e.Doc)
			}
			found := tt.wantField == ""
			for _, f := range e.Fields {
				found = found || f.Name == tt.wantField
				if f.Type == "" {
					t.Errorf("%s has no type", f.Name)
				}
			}
			if !found {
				t.Errorf("no field %s: %+v", tt.wantField, e.Fields)
			}
		})
	}
	if e, err := Explain("workflow.spec.priority"); err != nil || strings.Join(e.Values, " ") != "high normal low" {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err := Explain("workflow.spec.steps.id"); err != nil || !e.Required {
		t.Errorf("%+v, %v", e, err)
	}
	for path, want := range map[string]string{
		"flow": "not a kind", "workflow.spec.stops": `has no key "stops": it has description, users, triggers`, "workflow.spec.timeout.x": "has no keys: it is duration", "": "not a kind",
	} {
		if _, err := Explain(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", path, err)
		}
	}
}
