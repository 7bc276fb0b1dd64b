package metrics

import (
	"cmp"
	"slices"
	"sync"
)

// most is how many workflows have labels of their own; as many integrations
// have, and destinations. Prometheus keeps a series for each, so that what users
// make must not make them without bound.
const most = 100

// other is the label of those beyond; it is no DNS label, so that nothing has
// this name.
const other = "(other)"

// named names a workflow, an integration or a destination of a project.
type named struct{ project, name string }

// slots says which names have labels of their own: the first that were seen, and
// of those seen at once the busiest. One that has a slot keeps it, so that no
// counter ever falls.
type slots struct {
	mu    sync.Mutex
	taken map[named]bool
}

// fold makes one of all the values whose names have no slot: under the name
// other, by adding each to a value that begins with none. Busy orders those that
// were not seen before.
func fold[V any](s *slots, all map[named]V, busy func(V) int64, add func(sum, v V) V) map[named]V {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken == nil {
		s.taken = map[named]bool{}
	}
	var rest []named
	for name := range all {
		if !s.taken[name] {
			rest = append(rest, name)
		}
	}
	slices.SortFunc(rest, func(a, b named) int {
		return cmp.Or(cmp.Compare(busy(all[b]), busy(all[a])), cmp.Compare(a.project, b.project), cmp.Compare(a.name, b.name))
	})
	for len(rest) > 0 && len(s.taken) < most {
		s.taken[rest[0]], rest = true, rest[1:]
	}
	if len(rest) == 0 {
		return all
	}
	var sum V
	for _, name := range rest {
		sum = add(sum, all[name])
		delete(all, name)
	}
	all[named{other, other}] = sum
	return all
}
