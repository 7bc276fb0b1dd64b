package execution

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"paragon/schema"
)

// Page by page, a list shows every run once, newest first, no page is longer than
// was asked for, and none is larger than the bound by more than one run, from
// however many sources the runs come and however large they are.
func TestPagesOfRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sources := make([][]schema.Run, rapid.IntRange(1, 4).Draw(t, "sources"))
		var want []string
		for i := range rapid.IntRange(0, 60).Draw(t, "runs") {
			run := schema.Run{ID: fmt.Sprintf("%04d", i)}
			if rapid.IntRange(0, 5).Draw(t, "large") == 0 {
				run.Input = make([]byte, rapid.SampledFrom([]int{maxPageBytes / 3, maxPageBytes - 1, maxPageBytes, maxPageBytes + 1}).Draw(t, "bytes"))
			}
			want = append(want, run.ID)
			s := rapid.IntRange(0, len(sources)-1).Draw(t, "source")
			sources[s] = append(sources[s], run)
			if rapid.IntRange(0, 9).Draw(t, "in the first too") == 0 && !has(sources[0], run.ID) {
				sources[0] = append(sources[0], run)
			}
		}
		slices.Reverse(want)
		limit := rapid.IntRange(1, 20).Draw(t, "limit")
		var got []string
		for cursor, pages := "", 0; ; pages++ {
			page := runPage{limit: limit}
			for _, source := range sources {
				found := readSource(source, cursor, limit)
				page.add(found, pageBound(limit).Full(found))
			}
			list := page.list()
			var bytes int
			for i, run := range list.Items {
				got = append(got, run.ID)
				if bytes >= maxPageBytes {
					t.Fatalf("run %d of a page comes after %d bytes", i, bytes)
				}
				bytes += len(run.Input)
			}
			if len(list.Items) > limit || pages > len(want) {
				t.Fatalf("page %d has %d runs, limit %d", pages, len(list.Items), limit)
			}
			if cursor = list.NextCursor; cursor == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("listed %v, want %v", got, want)
		}
	})
}

func has(runs []schema.Run, id string) bool {
	return slices.ContainsFunc(runs, func(r schema.Run) bool { return r.ID == id })
}

// readSource reads a source as the store does: newest first, up to the bound.
func readSource(runs []schema.Run, before string, limit int) (out []schema.Run) {
	newest := slices.Clone(runs)
	slices.SortFunc(newest, func(a, b schema.Run) int { return strings.Compare(b.ID, a.ID) })
	bound := pageBound(limit)
	for _, run := range newest {
		if before != "" && run.ID >= before {
			continue
		}
		if out = append(out, run); bound.Full(out) {
			break
		}
	}
	return out
}
