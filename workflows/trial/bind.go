package trial

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"paragon/schema"
	"paragon/workflows"
)

// Bind checks what a case says of its workflow: steps and triggers that it names
// must be there.
func Bind(t *workflows.Test, tc *workflows.TestCase, all map[string]*workflows.Workflow) []schema.Diagnostic {
	wf := all[t.Spec.Workflow]
	if wf == nil {
		return []schema.Diagnostic{unknownWorkflow(t)}
	}
	b := &binding{main: wf, all: all}
	for _, g := range []*workflows.TestGiven{tc.Given.Shared, tc.Given.Own} {
		if g != nil {
			b.given(g)
		}
	}
	for _, e := range []*workflows.TestExpect{tc.Expect.Shared, tc.Expect.Own} {
		if e != nil {
			b.expect(e)
		}
	}
	return b.found
}

func unknownWorkflow(t *workflows.Test) schema.Diagnostic {
	return t.Place.Field("workflow").Finding("unknown-workflow", "read its file, too, or name it in spec.files", "workflow %q is in none of the documents", t.Spec.Workflow)
}

type binding struct {
	main  *workflows.Workflow
	all   map[string]*workflows.Workflow
	found []schema.Diagnostic
}

// step checks the name of a step: an id, or a path of ids and indexes. In mocks it
// may be one of a workflow that is called.
func (b *binding) step(name string, at workflows.Place, anywhere bool) {
	if name == "" {
		return
	}
	id := name[strings.LastIndexByte(name, '/')+1:]
	id, _, _ = strings.Cut(id, "[")
	if b.main.Step(id) != nil {
		return
	}
	if anywhere {
		for _, other := range b.all {
			if other.Step(id) != nil {
				return
			}
		}
	}
	b.found = append(b.found, at.Finding("unknown-step", workflows.Nearest(id, b.main.StepIDs()), "workflow %s has no step %q", b.main.Name, id))
}

func (b *binding) given(g *workflows.TestGiven) {
	if t := g.Spec.Trigger; t != nil && b.main.Triggers[t.ID] == nil {
		known := slices.Sorted(maps.Keys(b.main.Triggers))
		at := g.Place.Field("trigger").Field("id")
		b.found = append(b.found, at.Finding("unknown-trigger", workflows.Nearest(t.ID, known), "workflow %s has no trigger %q", b.main.Name, t.ID))
	}
	for i, m := range g.Spec.Requests {
		if m.Match != nil {
			b.step(m.Match.Step, g.Place.Field("requests").Item(i).Field("match").Field("step"), true)
		}
	}
	for i, m := range g.Spec.Calls {
		b.step(m.Step, g.Place.Field("calls").Item(i).Field("step"), true)
	}
	for i, e := range g.Spec.Events {
		b.step(e.Waiting, g.Place.Field("events").Item(i).Field("waiting"), false)
	}
	for name := range g.Spec.Secrets {
		used := slices.Contains(b.main.Secrets, name)
		for _, other := range b.all {
			used = used || slices.Contains(other.Secrets, name)
		}
		if !used {
			b.found = append(b.found, g.Place.Field("secrets").Field(name).Finding("unknown-secret", workflows.Nearest(name, b.main.Secrets),
				"workflow %s does not use secret %s", b.main.Name, name))
		}
	}
}

func (b *binding) expect(e *workflows.TestExpect) {
	for _, name := range slices.Sorted(maps.Keys(e.Spec.Steps)) {
		b.step(name, e.Place.Field("steps").Field(name), false)
	}
	for field, list := range map[string][]string{"ran": e.Spec.Ran, "skipped": e.Spec.Skipped} {
		for i, name := range list {
			b.step(name, e.Place.Field(field).Item(i), false)
		}
	}
	for i, r := range e.Spec.Requests {
		b.step(r.Step, e.Place.Field("requests").Item(i).Field("step"), true)
	}
}

// Check is Bind for every case of a test: what `validate` says of it, when its
// workflow is among the documents.
func Check(t *workflows.Test, all map[string]*workflows.Workflow) []schema.Diagnostic {
	if all[t.Spec.Workflow] == nil {
		return nil
	}
	var out []schema.Diagnostic
	seen := map[string]bool{}
	for i := range t.Cases {
		for _, d := range Bind(t, &t.Cases[i], all) {
			if key := fmt.Sprint(d.Line, ":", d.Column, d.Message); !seen[key] {
				seen[key] = true
				out = append(out, d)
			}
		}
	}
	return out
}
