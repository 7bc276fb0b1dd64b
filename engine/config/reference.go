package config

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/workflows"
)

// checkReferences finds what the documents use and nobody has: a called
// workflow and an integration are errors, a secret is a warning, since it may be
// set later. The same goes for what remains of the project when deletions take
// something away.
func (a *application) checkReferences(ctx context.Context, deletions []store.Resource) error {
	k := &known{application: a, has: map[schema.Ref]*document{}, gone: map[schema.Ref]bool{}}
	for i := range a.docs {
		d := &a.docs[i]
		k.has[schema.Ref{Kind: d.Kind, Name: d.Metadata.Name}] = d
	}
	for _, r := range deletions {
		k.gone[ref(r)] = true
	}
	for i := range a.docs {
		d := &a.docs[i]
		var err error
		switch {
		case d.Workflow != nil:
			if err = k.checkWorkflow(ctx, d); err == nil {
				err = k.checkSchemas(ctx, d)
			}
		case d.Integration != nil:
			if err = k.checkIntegration(ctx, d); err == nil {
				err = k.checkSettings(ctx, d)
			}
		case d.Destination != nil:
			err = k.checkDestination(ctx, d)
		}
		if err != nil {
			return err
		}
	}
	for _, r := range deletions {
		users, err := usersOf(ctx, a.tx, ref(r))
		if err != nil {
			return err
		}
		users = slices.DeleteFunc(users, func(id schema.Ref) bool { return k.has[id] != nil || k.gone[id] })
		if len(users) == 0 {
			continue
		}
		d := schema.Diagnostic{Severity: schema.SeverityError, Code: "in-use", Resource: ref(r).String(),
			Message: fmt.Sprintf("%s would be deleted, but is used by %s", ref(r), namesOf(users))}
		if r.Kind == schema.KindSecret {
			d.Severity = schema.SeverityWarning
			a.result.Warnings = append(a.result.Warnings, d)
		} else {
			a.errs = append(a.errs, d)
		}
	}
	return nil
}

// known is what there will be when an application has been carried out.
type known struct {
	*application
	has  map[schema.Ref]*document
	gone map[schema.Ref]bool
	// calls has by workflow what calls it and is not applied; nil until asked.
	calls map[string][]schema.Ref
}

func (k *known) exists(ctx context.Context, id schema.Ref) (bool, error) {
	if k.has[id] != nil {
		return true, nil
	}
	if k.gone[id] {
		return false, nil
	}
	r, err := k.lookup(ctx, id)
	return r != nil, err
}

// missing lists those of some secrets that do not exist.
func (k *known) missing(ctx context.Context, secrets []string) (absent []string, err error) {
	for _, name := range secrets {
		ok, err := k.exists(ctx, schema.Ref{Kind: schema.KindSecret, Name: name})
		if err != nil {
			return nil, err
		}
		if !ok {
			absent = append(absent, name)
		}
	}
	return absent, nil
}

func (k *known) warn(d *document, code, suggestion, format string, args ...any) {
	k.result.Warnings = append(k.result.Warnings, schema.Diagnostic{Severity: schema.SeverityWarning, Code: code,
		Message: fmt.Sprintf(format, args...), Suggestion: suggestion,
		Resource: schema.Ref{Kind: d.Kind, Name: d.Metadata.Name}.String(), File: d.File, Line: d.Line})
}

func (k *known) fail(d *document, code, field, format string, args ...any) {
	k.errs = append(k.errs, schema.Diagnostic{Severity: schema.SeverityError, Code: code, Message: fmt.Sprintf(format, args...),
		Resource: schema.Ref{Kind: d.Kind, Name: d.Metadata.Name}.String(), Field: field, File: d.File, Line: d.Line})
}

func (k *known) checkWorkflow(ctx context.Context, d *document) error {
	absent, err := k.missing(ctx, d.Workflow.Secrets)
	if err != nil {
		return err
	}
	for _, name := range absent {
		k.warn(d, "missing-secret", "set it with: paragonctl secret set "+name, "secret %s does not exist; a step that uses it fails", name)
	}
	told := map[string]bool{}
	for _, u := range usedBy(d.Workflow.Spec) {
		ok, err := k.exists(ctx, u.Ref)
		if err != nil {
			return err
		}
		switch {
		case !ok && u.Kind == schema.KindIntegration:
			k.fail(d, "unknown-integration", u.field, "step %s uses integration %s, which does not exist", u.step, u.Name)
		case !ok:
			k.fail(d, "unknown-workflow", u.field, "step %s calls workflow %s, which does not exist", u.step, u.Name)
		case u.Kind == schema.KindIntegration && k.has[u.Ref] == nil && !told[u.Name]:
			told[u.Name] = true
			if err := k.checkStored(ctx, d, u.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkIntegration warns of secrets that are not there. An OAuth2 client is told
// of as one: without any of its parts nobody can connect.
func (k *known) checkIntegration(ctx context.Context, d *document) error {
	i := d.Integration
	client, err := k.missing(ctx, i.Client)
	if err != nil {
		return err
	}
	if len(client) > 0 {
		k.warn(d, "missing-client", "set it with: paragonctl secret set "+strings.Join(client, " "),
			"the project has no client for integration %s: %s", i.Name, doNotExist(client))
	}
	absent, err := k.missing(ctx, slices.DeleteFunc(slices.Clone(i.Secrets), func(name string) bool { return slices.Contains(i.Client, name) }))
	for _, name := range absent {
		k.warn(d, "missing-secret", "set it with: paragonctl secret set "+name, "secret %s does not exist; calls to the integration fail", name)
	}
	return err
}

// checkDestination warns of secrets and workflows that are not there.
func (k *known) checkDestination(ctx context.Context, d *document) error {
	absent, err := k.missing(ctx, d.Destination.Secrets)
	if err != nil {
		return err
	}
	for _, name := range absent {
		k.warn(d, "missing-secret", "set it with: paragonctl secret set "+name, "secret %s does not exist; nothing can be sent to the destination", name)
	}
	for _, name := range d.Destination.Workflows() {
		ok, err := k.exists(ctx, schema.Ref{Kind: schema.KindWorkflow, Name: name})
		if err != nil {
			return err
		}
		if !ok {
			k.warn(d, "unknown-workflow", "", "workflow %s does not exist; nothing of it is told", name)
		}
	}
	return nil
}

// checkStored warns of an integration of the project that a workflow uses and
// that has no client there: a set that is promoted finds the integration, but
// not what it needs.
func (k *known) checkStored(ctx context.Context, d *document, name string) error {
	r, err := k.lookup(ctx, schema.Ref{Kind: schema.KindIntegration, Name: name})
	if err != nil || r == nil {
		return err
	}
	i, err := workflows.CompileIntegration(name, r.Spec)
	if err != nil {
		return nil // of another version; reading it says so
	}
	absent, err := k.missing(ctx, i.Secrets)
	if err == nil && len(absent) > 0 {
		k.warn(d, "missing-client", "set it with: paragonctl secret set "+strings.Join(absent, " "),
			"integration %s, which the workflow uses, is without its client here: %s", name, doNotExist(absent))
	}
	return err
}

func doNotExist(secrets []string) string {
	if len(secrets) == 1 {
		return "secret " + secrets[0] + " does not exist"
	}
	return "secrets " + strings.Join(secrets, ", ") + " do not exist"
}

// namesOf lists references in a sentence.
func namesOf(refs []schema.Ref) string {
	texts := make([]string, len(refs))
	for i, id := range refs {
		texts[i] = id.Kind.Singular() + " " + id.Name
	}
	return strings.Join(texts, ", ")
}

// usersOf lists the stored resources that use another one.
func usersOf(ctx context.Context, tx store.ConfigTx, id schema.Ref) ([]schema.Ref, error) {
	var users []schema.Ref
	for _, kind := range []schema.Kind{schema.KindWorkflow, schema.KindIntegration, schema.KindDestination} {
		if kind != schema.KindWorkflow && id.Kind != schema.KindSecret {
			continue // they use secrets alone
		}
		list, err := tx.Resources(ctx, kind)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			// Compiling is dear, looking for the name is not.
			if ref(r) != id && strings.Contains(string(r.Spec), id.Name) && uses(r, id) {
				users = append(users, ref(r))
			}
		}
	}
	return users, nil
}

func uses(r store.Resource, id schema.Ref) bool {
	switch {
	case r.Kind == schema.KindIntegration:
		i, err := workflows.CompileIntegration(r.Metadata.Name, r.Spec)
		return err == nil && slices.Contains(i.Secrets, id.Name)
	case r.Kind == schema.KindDestination:
		d, err := workflows.CompileDestination(r.Metadata.Name, r.Spec)
		return err == nil && slices.Contains(d.Secrets, id.Name)
	case id.Kind == schema.KindSecret:
		w, err := compile(r)
		return err == nil && slices.Contains(w.Secrets, id.Name)
	}
	var spec schema.WorkflowSpec
	if json.Unmarshal(r.Spec, &spec) != nil {
		return false
	}
	return slices.ContainsFunc(usedBy(&spec), func(u used) bool { return u.Ref == id })
}

// used is a workflow that a step calls, or the integration of a request.
type used struct {
	schema.Ref
	step, field string
}

// usedBy lists what the steps of a workflow use.
func usedBy(spec *schema.WorkflowSpec) []used {
	var out []used
	var walk func(steps []schema.StepSpec, at string)
	walk = func(steps []schema.StepSpec, at string) {
		for i := range steps {
			st, here := &steps[i], fmt.Sprintf("%s[%d]", at, i)
			if st.Call != nil {
				out = append(out, used{schema.Ref{Kind: schema.KindWorkflow, Name: st.Call.Workflow}, st.ID, here + ".call.workflow"})
			}
			if st.Request != nil && st.Request.Integration != "" {
				out = append(out, used{schema.Ref{Kind: schema.KindIntegration, Name: st.Request.Integration}, st.ID, here + ".request.integration"})
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
