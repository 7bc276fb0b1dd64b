package execution

import (
	"slices"
	"strings"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

// maxPageBytes bounds the inputs and outputs of a page of runs: a page ends with
// the run that passes it, however many were asked for.
const maxPageBytes = 8 << 20

// pageBound is what one source of a page is read up to: one run more than the
// page has, which tells that there is another page.
func pageBound(limit int) store.RunQuery {
	return store.RunQuery{Limit: limit + 1, Bytes: maxPageBytes}
}

// runPage gathers a page of runs, newest first, out of several sources.
type runPage struct {
	limit int
	runs  []schema.Run
	// horizon is the oldest run that a source which has more has told of: what is
	// older can't be shown yet, since that source may have runs in between.
	horizon string
}

// add takes what a source has, newest first; more says that it has older ones.
func (p *runPage) add(runs []schema.Run, more bool) {
	if more && len(runs) > 0 {
		p.horizon = max(p.horizon, runs[len(runs)-1].ID)
	}
	p.runs = append(p.runs, runs...)
}

// list is the page, and where the next begins.
func (p *runPage) list() api.List[schema.Run] {
	all := p.runs
	// Stable: of a run that two sources have, the first one's is the newer.
	slices.SortStableFunc(all, func(a, b schema.Run) int { return strings.Compare(b.ID, a.ID) })
	all = slices.CompactFunc(all, func(a, b schema.Run) bool { return a.ID == b.ID })
	page := api.List[schema.Run]{Items: []schema.Run{}}
	var bytes int
	for i := range all {
		if all[i].ID < p.horizon {
			break
		}
		page.Items = append(page.Items, all[i])
		bytes += len(all[i].Input) + len(all[i].Output)
		if len(page.Items) == p.limit || bytes >= maxPageBytes {
			break
		}
	}
	if n := len(page.Items); n < len(all) || p.horizon != "" && n > 0 && page.Items[n-1].ID == p.horizon {
		page.NextCursor = page.Items[n-1].ID
	}
	return page
}
