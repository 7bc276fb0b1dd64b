package workflows

import (
	"fmt"
	"slices"
	"strings"
)

// didYouMean suggests the candidate nearest to what was written, or lists the
// candidates when there are few and none is near. It is empty when it has
// nothing to say.
func didYouMean(written string, candidates []string) string {
	if near := nearest(written, candidates); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(candidates) == 0 || len(candidates) > 16 {
		return ""
	}
	sorted := slices.Clone(candidates)
	slices.Sort(sorted)
	if len(sorted) == 1 {
		return "known is " + sorted[0]
	}
	return "known are " + strings.Join(sorted, ", ")
}

// nearest is the candidate within a small edit distance of what was written:
// a third of its length, at least one. It is empty when none is.
func nearest(written string, candidates []string) string {
	best, bestAt := "", max(1, (len(written)+2)/3)+1
	for _, c := range candidates {
		if strings.EqualFold(c, written) {
			return c
		}
		d := distance(strings.ToLower(written), strings.ToLower(c), bestAt+1)
		if d < bestAt || d == bestAt && best != "" && c < best {
			best, bestAt = c, d
		}
	}
	if best == "" && len(written) >= 4 {
		// "lowercase" for "lower", "max" for "maxAttempts".
		for _, c := range candidates {
			if len(c) >= 4 && (strings.HasPrefix(c, written) || strings.HasPrefix(written, c)) {
				return c
			}
		}
	}
	return best
}

// distance is the number of insertions, deletions, replacements and swaps of
// neighbours that make b of a, or limit when it is not below.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}
