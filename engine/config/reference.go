package config

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"paragon/engine/store"
	"paragon/schema"
)

// checkReferences finds what the documents use and nobody has: a called
// workflow is an error, a secret a warning, since it may be set later. The
// same goes for what remains of the project when deletions take something
// away.
func (a *application) checkReferences(ctx context.Context, deletions []store.Resource) error {
	has := map[schema.Ref]bool{}
	for _, d := range a.docs {
		has[schema.Ref{Kind: d.Kind, Name: d.Metadata.Name}] = true
	}
	gone := map[schema.Ref]bool{}
	for _, r := range deletions {
		gone[ref(r)] = true
	}
	exists := func(id schema.Ref) (bool, error) {
		if has[id] {
			return true, nil
		}
		if gone[id] {
			return false, nil
		}
		r, err := a.lookup(ctx, id)
		return r != nil, err
	}
	for _, d := range a.docs {
		if d.Workflow == nil {
			continue
		}
		me := schema.Ref{Kind: d.Kind, Name: d.Metadata.Name}.String()
		for _, name := range d.Workflow.Secrets {
			ok, err := exists(schema.Ref{Kind: schema.KindSecret, Name: name})
			if err != nil {
				return err
			}
			if !ok {
				a.result.Warnings = append(a.result.Warnings, schema.Diagnostic{Severity: schema.SeverityWarning, Code: "missing-secret",
					Message:    fmt.Sprintf("secret %s does not exist; a step that uses it fails", name),
					Suggestion: "set it with: paragonctl secret set " + name, Resource: me, File: d.File, Line: d.Line})
			}
		}
		for _, c := range calledBy(d.Workflow.Spec) {
			ok, err := exists(schema.Ref{Kind: schema.KindWorkflow, Name: c.workflow})
			if err != nil {
				return err
			}
			if !ok {
				a.errs = append(a.errs, schema.Diagnostic{Severity: schema.SeverityError, Code: "unknown-workflow",
					Message:  fmt.Sprintf("step %s calls workflow %s, which does not exist", c.step, c.workflow),
					Resource: me, Field: c.field, File: d.File, Line: d.Line})
			}
		}
	}
	for _, r := range deletions {
		users, err := a.usersOf(ctx, ref(r))
		if err != nil {
			return err
		}
		users = slices.DeleteFunc(users, func(name string) bool {
			id := schema.Ref{Kind: schema.KindWorkflow, Name: name}
			return has[id] || gone[id]
		})
		if len(users) == 0 {
			continue
		}
		d := schema.Diagnostic{Severity: schema.SeverityError, Code: "in-use", Resource: ref(r).String(),
			Message: fmt.Sprintf("%s would be deleted, but is used by workflow %s", ref(r), strings.Join(users, ", "))}
		if r.Kind == schema.KindSecret {
			d.Severity = schema.SeverityWarning
			a.result.Warnings = append(a.result.Warnings, d)
		} else {
			a.errs = append(a.errs, d)
		}
	}
	return nil
}

// usersOf names the stored workflows that use a resource.
func (a *application) usersOf(ctx context.Context, id schema.Ref) ([]string, error) {
	return usersOf(ctx, a.tx, id)
}

func usersOf(ctx context.Context, tx store.ConfigTx, id schema.Ref) ([]string, error) {
	list, err := tx.Resources(ctx, schema.KindWorkflow)
	if err != nil {
		return nil, err
	}
	var users []string
	for _, r := range list {
		// Compiling is dear, looking for the name is not.
		if r.Metadata.Name == id.Name && id.Kind == schema.KindWorkflow || !strings.Contains(string(r.Spec), id.Name) {
			continue
		}
		if uses(r, id) {
			users = append(users, r.Metadata.Name)
		}
	}
	return users, nil
}

func uses(r store.Resource, id schema.Ref) bool {
	if id.Kind == schema.KindWorkflow {
		var spec schema.WorkflowSpec
		if json.Unmarshal(r.Spec, &spec) != nil {
			return false
		}
		return slices.ContainsFunc(calledBy(&spec), func(c calledWorkflow) bool { return c.workflow == id.Name })
	}
	w, err := compile(r)
	return err == nil && slices.Contains(w.Secrets, id.Name)
}

// calledWorkflow is a workflow that a step calls.
type calledWorkflow struct{ workflow, step, field string }

// calledBy lists the workflows that the steps of a workflow call.
func calledBy(spec *schema.WorkflowSpec) []calledWorkflow {
	var out []calledWorkflow
	var walk func(steps []schema.StepSpec, at string)
	walk = func(steps []schema.StepSpec, at string) {
		for i := range steps {
			st, here := &steps[i], fmt.Sprintf("%s[%d]", at, i)
			if st.Call != nil {
				out = append(out, calledWorkflow{st.Call.Workflow, st.ID, here + ".call.workflow"})
			}
			walk(st.Steps, here+".steps")
			for j := range st.Switch {
				walk(st.Switch[j].Steps, fmt.Sprintf("%s.switch[%d].steps", here, j))
			}
			if st.Parallel != nil {
				for name, branch := range st.Parallel.Branches {
					walk(branch.Steps, here+".parallel.branches."+name+".steps")
				}
			}
		}
	}
	if spec != nil {
		walk(spec.Steps, "spec.steps")
		walk(spec.OnFailure, "spec.onFailure")
	}
	return out
}
