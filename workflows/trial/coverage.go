package trial

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/interpret"
)

// Coverage is what of a workflow ran in any case.
type Coverage struct {
	Workflow string   `json:"workflow"`
	Steps    Covered  `json:"steps"`
	Branches Covered  `json:"branches"`
	missing  []string // steps, then branches
}

// Covered counts.
type Covered struct {
	Ran     int      `json:"ran"`
	All     int      `json:"all"`
	Missing []string `json:"missing"`
}

// Missing names what did not run.
func (c Coverage) Missing() []string { return c.missing }

// Percent is how much of all steps and branches ran.
func Percent(list ...Coverage) float64 {
	ran, all := 0, 0
	for _, c := range list {
		ran += c.Steps.Ran + c.Branches.Ran
		all += c.Steps.All + c.Branches.All
	}
	if all == 0 {
		return 100
	}
	return 100 * float64(ran) / float64(all)
}

// Cover says what ran of each workflow of the suite that a result is about, or
// that was called. A branch is each way that a condition, a switch or a wait can
// go, and a loop without and with items.
func (s *Suite) Cover(results []*Result) []Coverage {
	names := map[string]bool{}
	ran := map[string]map[string]bool{}
	for _, r := range results {
		names[r.Workflow] = s.Workflows[r.Workflow] != nil
		for _, run := range r.runs {
			name := run.workflow.Name
			names[name] = true
			if ran[name] == nil {
				ran[name] = map[string]bool{}
			}
			run.cover(ran[name])
		}
	}
	var out []Coverage
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !names[name] {
			continue
		}
		wf := s.Workflows[name]
		c := Coverage{Workflow: name}
		count := func(to *Covered, key, text string) {
			if to.Missing == nil {
				to.Missing = []string{}
			}
			to.All++
			if ran[name][key] {
				to.Ran++
				return
			}
			to.Missing = append(to.Missing, text)
		}
		eachStep(wf, func(step *workflows.Step) {
			count(&c.Steps, step.ID, "step "+step.ID)
			for _, b := range branchesOf(step) {
				count(&c.Branches, step.ID+" "+b.key, step.ID+": "+b.text)
			}
		})
		c.missing = append(slices.Clone(c.Steps.Missing), c.Branches.Missing...)
		out = append(out, c)
	}
	return out
}

type branch struct{ key, text string }

func branchesOf(step *workflows.Step) []branch {
	var out []branch
	if step.If != nil {
		out = append(out, branch{"if", "its condition is true"}, branch{"if not", "its condition is false"})
	}
	switch step.Kind {
	case workflows.StepSwitch:
		other := true
		for i, b := range step.Branches {
			text := fmt.Sprintf("branch %d", i+1)
			if b.If == nil {
				text, other = "else", false
			} else if source, ok := b.If.Expression(); ok {
				text = "if " + strings.TrimSpace(source)
			}
			out = append(out, branch{fmt.Sprint("branch ", i), text})
		}
		if other {
			out = append(out, branch{"no branch", "no branch is taken"})
		}
	case workflows.StepForEach:
		out = append(out, branch{"items", "with items"}, branch{"no items", "without items"})
	case workflows.StepWaitFor:
		out = append(out, branch{"came", "the event comes"}, branch{"late", "the event does not come"})
	}
	if step.ContinueOnError {
		out = append(out, branch{"failed", "it fails and the run goes on"})
	}
	return out
}

// eachStep visits every step of a workflow, outer ones first.
func eachStep(wf *workflows.Workflow, visit func(*workflows.Step)) {
	var walk func([]*workflows.Step)
	walk = func(list []*workflows.Step) {
		for _, s := range list {
			visit(s)
			for i := range s.Branches {
				walk(s.Branches[i].Steps)
			}
			walk(s.Body)
		}
	}
	walk(wf.Steps)
	walk(wf.OnFailure)
}

// cover notes what ran in a run.
func (r *run) cover(to map[string]bool) {
	for _, s := range r.order {
		step := r.workflow.Step(s.ID)
		if step == nil || s.Kind == interpret.KindItem {
			continue
		}
		if s.Status == schema.StepSkipped {
			to[step.ID+" if not"] = true
			continue
		}
		to[step.ID], to[step.ID+" if"] = true, true
		if s.Status == schema.StepFailed && step.ContinueOnError {
			to[step.ID+" failed"] = true
		}
		switch step.Kind {
		case workflows.StepSwitch:
			to[step.ID+" "+r.branch(s, step)] = true
		case workflows.StepForEach:
			if items, ok := decode(s.Result).([]any); ok && len(items) == 0 {
				to[step.ID+" no items"] = true
			} else {
				to[step.ID+" items"] = true
			}
		case workflows.StepWaitFor:
			if s.Status == schema.StepSucceeded {
				to[step.ID+" came"] = true
			} else if s.Status == schema.StepFailed {
				to[step.ID+" late"] = true
			}
		}
	}
}

// branch names the branch that a switch took: the steps inside stand beside it.
func (r *run) branch(s *Step, step *workflows.Step) string {
	prefix := strings.TrimSuffix(s.Path, step.ID)
	for i, b := range step.Branches {
		for _, inner := range b.Steps {
			if r.steps[prefix+inner.ID] != nil {
				return fmt.Sprint("branch ", i)
			}
		}
	}
	return "no branch"
}
