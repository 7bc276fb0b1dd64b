package workflows

import (
	"fmt"
	"maps"
	"slices"

	"github.com/expr-lang/expr/checker/nature"

	"paragon/schema"
)

// A stepTable knows where each step of a workflow is, and while the steps are
// compiled in order, which of them have run before the current one.
type stepTable struct {
	all map[string]*stepInfo
	// visible holds the static types of the results that can be read now. It
	// is the very map inside the type of steps.
	visible map[string]nature.Nature
}

// A stepInfo is the place of a step.
type stepInfo struct {
	id     string
	kind   StepKind
	parent *stepInfo // the block around it, nil at the top
	branch int       // which branch of the parent
	// failure says that it is (in) an onFailure step.
	failure bool
	where   *path
}

func newStepTable() *stepTable {
	return &stepTable{all: map[string]*stepInfo{}, visible: map[string]nature.Nature{}}
}

// add enters the steps of a block and of all blocks inside. The first step of
// an id wins; twice is called for the others.
func (t *stepTable) add(steps []schema.StepSpec, parent *stepInfo, branch int, failure bool, at *path, twice func(first *stepInfo, at *path)) {
	for i := range steps {
		s, here := &steps[i], at.item(i)
		info := &stepInfo{id: s.ID, kind: kindOf(s), parent: parent, branch: branch, failure: failure, where: here}
		if s.ID != "" {
			if first := t.all[s.ID]; first != nil {
				twice(first, here.field("id"))
			} else {
				t.all[s.ID] = info
			}
		}
		for b := range s.Switch {
			t.add(s.Switch[b].Steps, info, b, failure, here.field("switch").item(b).field("steps"), twice)
		}
		if s.Parallel != nil {
			for b, name := range branchNames(s.Parallel) {
				t.add(s.Parallel.Branches[name].Steps, info, b, failure,
					here.field("parallel").field("branches").field(name).field("steps"), twice)
			}
		}
		t.add(s.Steps, info, 0, failure, here.field("steps"), twice)
	}
}

// branchNames are the names of parallel branches in the order in which they
// are compiled and started.
func branchNames(p *schema.ParallelStep) []string { return slices.Sorted(maps.Keys(p.Branches)) }

func (t *stepTable) find(id string) *stepInfo {
	if t == nil {
		return nil
	}
	return t.all[id]
}

func (t *stepTable) isVisible(id string) bool {
	_, ok := t.visible[id]
	return ok
}

func (t *stepTable) visibleIDs() []string { return slices.Sorted(maps.Keys(t.visible)) }

// hide takes the steps that became visible since the mark out of sight, and
// returns them.
func (t *stepTable) hide(mark map[string]bool) map[string]nature.Nature {
	hidden := map[string]nature.Nature{}
	for id, n := range t.visible {
		if !mark[id] {
			hidden[id] = n
			delete(t.visible, id)
		}
	}
	return hidden
}

// mark remembers what is visible now.
func (t *stepTable) mark() map[string]bool {
	m := make(map[string]bool, len(t.visible))
	for id := range t.visible {
		m[id] = true
	}
	return m
}

// notRun says why the result of a step can't be read by the current one.
func (t *stepTable) notRun(step, current *stepInfo) string {
	if step.failure && (current == nil || !current.failure) {
		return "runs only after the run has failed"
	}
	if step == current {
		return "can't read its own result"
	}
	around := map[*stepInfo]bool{}
	for c := current; c != nil; c = c.parent {
		around[c] = true
	}
	if around[step] {
		return "has not ended: this is inside it"
	}
	inner := step
	for p := step.parent; p != nil; inner, p = p, p.parent {
		if !around[p] {
			if p.kind == StepForEach {
				return fmt.Sprintf("is inside forEach %q and can be read only there", p.id)
			}
			continue
		}
		mine := current
		for mine != nil && mine.parent != p {
			mine = mine.parent
		}
		if mine != nil && mine.branch != inner.branch {
			if p.kind == StepParallel {
				return fmt.Sprintf("runs in another branch of %q at the same time", p.id)
			}
			return fmt.Sprintf("is in another branch of %q", p.id)
		}
		break
	}
	return "runs later"
}

// stepKeys are the kind keys in the order in which they are documented.
var stepKeys = []StepKind{
	StepRequest, StepFunction, StepSet, StepSwitch, StepForEach, StepParallel,
	StepDelay, StepWaitFor, StepRespond, StepEmit, StepCall, StepFail,
}

// kindsOf lists the kind keys that a step has.
func kindsOf(s *schema.StepSpec) []StepKind {
	var kinds []StepKind
	for i, has := range []bool{
		s.Request != nil, s.Function != nil, s.Set != nil, s.Switch != nil, s.ForEach != nil, s.Parallel != nil,
		s.Delay != nil, s.WaitFor != nil, s.Respond != nil, s.Emit != nil, s.Call != nil, s.Fail != nil,
	} {
		if has {
			kinds = append(kinds, stepKeys[i])
		}
	}
	return kinds
}

// kindOf is the step's kind, empty unless it has exactly one.
func kindOf(s *schema.StepSpec) StepKind {
	if kinds := kindsOf(s); len(kinds) == 1 {
		return kinds[0]
	}
	return ""
}
