package interpret_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/interpret"
)

// checkDecision checks what must hold of each decision, and asks again: with
// nothing done in between nothing new may be decided.
func (e *engine) checkDecision(d interpret.Decision) {
	e.Helper()
	e.last = &d
	e.note(d)
	for _, rec := range d.Records {
		e.roundTrip(rec, &schema.StepRecord{})
		if rec.Status.Ended() == rec.EndedAt.IsZero() {
			e.Fatalf("%s is %s and ended at %s", rec.Path, rec.Status, rec.EndedAt)
		}
		if rec.Status.Ended() && (!rec.RetryAt.IsZero() || !rec.WaitUntil.IsZero()) {
			e.Fatalf("%s has ended and waits: %+v", rec.Path, rec)
		}
	}
	seen := map[string]bool{}
	for _, a := range d.Perform {
		e.checkAction(a)
		if seen[a.Path] {
			e.Fatalf("%s is begun twice", a.Path)
		}
		seen[a.Path] = true
	}
	for _, w := range d.Events {
		if seen[w.Path] {
			e.Fatalf("%s waits twice, or waits and is begun", w.Path)
		}
		seen[w.Path] = true
	}
	for _, w := range d.Calls {
		if seen[w.Path] {
			e.Fatalf("%s waits twice, or waits and is begun", w.Path)
		}
		seen[w.Path] = true
	}
	if d.End == nil && !d.Wake.After(e.now) {
		e.Fatalf("the run goes on and has nothing to wake it: %+v", d)
	}
	again := e.machine.Next(e.now)
	if d.End != nil {
		if len(d.Perform)+len(d.Events)+len(d.Calls) > 0 || !d.Wake.IsZero() {
			e.Fatalf("the run has ended and goes on: %+v", d)
		}
		d = interpret.Decision{}
	}
	d.Records, d.Perform, d.Abort = nil, nil, nil
	if got, want := e.shown(again), e.shown(d); got != want {
		e.Fatalf("asked again the machine decides otherwise:\n%s\n%s", want, got)
	}
}

func (e *engine) checkAction(a interpret.Action) {
	e.Helper()
	if !a.Step.Effect() {
		e.Fatalf("%s is no effect", a.Path)
	}
	if rec := e.durable[a.Path]; rec.Status.Ended() && rec.Status != schema.StepCanceled {
		e.Fatalf("%s is performed again, and has %s", a.Path, rec.Status)
	}
	for _, rec := range e.unsaved {
		if rec.Path == a.Path && rec.Status.Ended() {
			e.Fatalf("%s is performed again, and has just %s", a.Path, rec.Status)
		}
	}
	if _, ok := e.flying[a.Path]; ok {
		e.Fatalf("%s is begun while it is under way", a.Path)
	}
	for _, b := range e.todo {
		if b.Path == a.Path {
			e.Fatalf("%s is begun twice", a.Path)
		}
	}
	most := 1
	if a.Step.Retry != nil {
		most = a.Step.Retry.MaxAttempts
	}
	if a.Attempt < 1 || a.Attempt > most {
		e.Fatalf("%s: attempt %d of %d", a.Path, a.Attempt, most)
	}
	if most < len(e.tries[a.Path])+1 {
		e.Fatalf("%s: an attempt more than %d", a.Path, most)
	}
}

// checkLost checks that what was under way when a worker died is what the next
// one begins first, all of it, unless it is over: by that a worker knows what the
// one before it may have died of.
func (e *engine) checkLost() {
	e.Helper()
	for _, path := range e.lost {
		over := slices.ContainsFunc(e.unsaved, func(rec schema.StepRecord) bool { return rec.Path == path && rec.Status.Ended() })
		if !over && !slices.ContainsFunc(e.todo, func(a interpret.Action) bool { return a.Path == path }) {
			e.Fatalf("%s was under way when the worker died, and the next one does not begin with it", path)
		}
	}
	e.lost = nil
}

// checkWidth checks that no loop has more items open than it may, and no
// parallel step more branches.
func (e *engine) checkWidth(d interpret.Decision) {
	e.Helper()
	open := map[string]map[string]bool{} // by the path of the step
	add := func(step, part string) {
		if open[step] == nil {
			open[step] = map[string]bool{}
		}
		open[step][part] = true
	}
	for _, path := range e.openPaths(d) {
		prefix := ""
		for segment := range strings.SplitSeq(path, "/") {
			id, item, in := strings.Cut(segment, "[")
			if in {
				add(prefix+id, item)
			}
			// Blocks that are no loops leave no trace in the path.
			step := e.in.Workflow.Step(id)
			for block := step.Parent; block != nil && block.Kind != workflows.StepForEach; step, block = block, block.Parent {
				for _, branch := range block.Branches {
					if block.Kind == workflows.StepParallel && slices.Contains(branch.Steps, step) {
						add(prefix+block.ID, branch.Name)
					}
				}
			}
			prefix += segment + "/"
		}
	}
	for path, parts := range open {
		step := e.in.Workflow.Step(path[strings.LastIndexByte(path, '/')+1:])
		width := len(step.Branches)
		switch {
		case step.Kind == workflows.StepForEach:
			width = max(step.Spec.ForEach.Parallelism, 1)
		case step.Spec.Parallel.Parallelism > 0:
			width = step.Spec.Parallel.Parallelism
		}
		if len(parts) > width {
			e.Fatalf("%s has %d parts open, more than %d", path, len(parts), width)
		}
	}
}

// openPaths are the paths of what is under way, or waits for others.
func (e *engine) openPaths(d interpret.Decision) []string {
	paths := slices.Collect(maps.Keys(e.flying))
	for _, a := range e.todo {
		paths = append(paths, a.Path)
	}
	for _, w := range d.Events {
		paths = append(paths, w.Path)
	}
	for _, w := range d.Calls {
		paths = append(paths, w.Path)
	}
	return paths
}

// shown is a decision as text, with what its actions send.
func (e *engine) shown(d interpret.Decision) string {
	actions := make([]string, len(d.Perform))
	for i, a := range d.Perform {
		actions[i] = fmt.Sprintf("%s#%d %s", a.Path, a.Attempt, sent(a))
	}
	raw, err := json.Marshal(map[string]any{
		"records": d.Records, "perform": actions, "abort": d.Abort,
		"wake": d.Wake, "events": d.Events, "calls": d.Calls, "end": d.End,
	})
	if err != nil {
		e.Fatalf("%v", err)
	}
	return string(raw)
}

func (e *engine) note(d interpret.Decision) {
	e.trace.WriteString(e.shown(d))
	e.trace.WriteByte('\n')
}
