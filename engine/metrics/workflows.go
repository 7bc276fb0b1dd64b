package metrics

import (
	"cmp"
	"slices"
	"sync"

	"paragon/engine/stats"
)

// named is how many workflows have labels of their own. Prometheus keeps a
// series for each, so that what users make must not make them without bound.
const named = 100

// other is the label of the workflows beyond; it is no DNS label, so that no
// workflow has this name.
const other = "(other)"

// workflow names a workflow of a project.
type workflow struct{ project, name string }

// slots says which workflows have labels of their own: the first that were
// seen, and of those seen at once the busiest. One that has a slot keeps it, so
// that no counter ever falls.
type slots struct {
	mu    sync.Mutex
	taken map[workflow]bool
}

// fold adds up the counts of the workflows that have no slot.
func (s *slots) fold(totals map[string]stats.Set) map[workflow]*stats.Counts {
	out := map[workflow]*stats.Counts{}
	for project, set := range totals {
		for name, counts := range set {
			if name.Kind == stats.Workflow {
				out[workflow{project, name.Name}] = counts
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken == nil {
		s.taken = map[workflow]bool{}
	}
	var rest []workflow
	for w := range out {
		if !s.taken[w] {
			rest = append(rest, w)
		}
	}
	slices.SortFunc(rest, func(a, b workflow) int {
		return cmp.Or(cmp.Compare(out[b].Started, out[a].Started), cmp.Compare(a.project, b.project), cmp.Compare(a.name, b.name))
	})
	for len(rest) > 0 && len(s.taken) < named {
		s.taken[rest[0]], rest = true, rest[1:]
	}
	if len(rest) == 0 {
		return out
	}
	sum := &stats.Counts{Duration: stats.Histogram{}, Wait: stats.Histogram{}}
	for _, w := range rest {
		sum.Merge(out[w])
		delete(out, w)
	}
	out[workflow{other, other}] = sum
	return out
}
