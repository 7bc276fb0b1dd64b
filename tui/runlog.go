package tui

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"paragon/schema"
)

// runLog is the part of the history that is known here: without a gap, newest
// first, from the newest known run down to the oldest.
type runLog struct {
	runs []*schema.Run
	// next is the cursor of what is older; empty at the end.
	next string
}

// newestFirst orders runs by their ids, which sort by the time of creation.
func newestFirst(x, y *schema.Run) int { return cmp.Compare(y.ID, x.ID) }

// light drops what a list of runs doesn't show, so that many can be held.
func light(page []schema.Run) []*schema.Run {
	out := make([]*schema.Run, len(page))
	for i := range page {
		r := page[i]
		r.Input, r.Output = nil, nil
		r.Trigger.Data, r.Trigger.Headers, r.Trigger.Query = nil, nil, nil
		out[i] = &r
	}
	slices.SortFunc(out, newestFirst)
	return out
}

// below is the index of the first run that is not newer than the id.
func (l *runLog) below(id string) int {
	return sort.Search(len(l.runs), func(i int) bool { return l.runs[i].ID <= id })
}

// head takes the newest page of the history; next is its cursor. When runs
// came so fast that the page does not reach what is known, there is a gap: the
// log then starts anew with the page, or with keep stays as it is and head
// tells false.
func (l *runLog) head(page []*schema.Run, next string, keep bool) bool {
	if next == "" || len(page) == 0 { // the page is all there is
		l.runs, l.next = page, ""
		return true
	}
	oldest := page[len(page)-1].ID
	if len(l.runs) > 0 && l.runs[0].ID < oldest {
		if keep {
			return false
		}
		l.runs = nil
	}
	if len(l.runs) == 0 {
		l.runs, l.next = page, next
		return true
	}
	// What is known of the page's range is now what the page says: a run that
	// no longer matches the filter is not in it.
	end := l.below(oldest)
	if end < len(l.runs) && l.runs[end].ID == oldest {
		end++
	}
	if end == len(l.runs) {
		l.next = next
	}
	l.runs = slices.Replace(l.runs, 0, end, page...)
	return true
}

// middle takes a page that begins at or below the id from.
func (l *runLog) middle(from string, page []*schema.Run, last bool) {
	page = slices.DeleteFunc(page, func(r *schema.Run) bool { return r.ID > from })
	start := l.below(from)
	end := len(l.runs)
	switch {
	case len(page) > 0 && !last:
		oldest := page[len(page)-1].ID
		if end = l.below(oldest); end < len(l.runs) && l.runs[end].ID == oldest {
			end++
		}
	case len(page) == 0 && !last:
		return
	}
	l.runs = slices.Replace(l.runs, start, end, page...)
}

// tail takes the page after the oldest known run.
func (l *runLog) tail(page []*schema.Run, next string) {
	if len(l.runs) > 0 {
		oldest := l.runs[len(l.runs)-1].ID
		page = slices.DeleteFunc(page, func(r *schema.Run) bool { return strings.Compare(r.ID, oldest) >= 0 })
	}
	l.runs, l.next = append(l.runs, page...), next
}
