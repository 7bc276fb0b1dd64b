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

// nearest is the candidate that was most likely meant, empty when none is near
// enough. Near is an edit distance of a third of the longer word (rounded up where
// both begin with the same two letters), at least one: "requst" is request,
// but "wait" is not emit. Of several, a candidate that begins with the same
// letter goes before one that does not, since people seldom get the first letter
// wrong; then the order of the alphabet decides.
// When no distance is small, a single candidate that is the beginning of what was
// written, or begins with it, is taken: "lowercase" is lower, "wait" is waitFor.
func nearest(written string, candidates []string) string {
	word := strings.ToLower(written)
	best, bestScore := "", 0
	for _, c := range candidates {
		other := strings.ToLower(c)
		if word == other {
			return c
		}
		limit := max(len(word), len(other)) / 3
		if len(word) > 1 && len(other) > 1 {
			if word[:2] == other[:2] {
				limit = (max(len(word), len(other)) + 2) / 3
			}
			limit = max(limit, 1)
		}
		d := distance(word, other, limit+1)
		if d > limit {
			continue
		}
		score := 2 * d
		if word == "" || other == "" || word[0] != other[0] {
			score++
		}
		if best == "" || score < bestScore || score == bestScore && c < best {
			best, bestScore = c, score
		}
	}
	if best != "" || len(word) < 3 {
		return best
	}
	for _, c := range candidates {
		other := strings.ToLower(c)
		if len(other) < 3 || !strings.HasPrefix(other, word) && !strings.HasPrefix(word, other) {
			continue
		}
		if best != "" {
			return "" // which of them, nobody knows
		}
		best = c
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

// Nearest suggests, of the names that are known, the one that was meant; empty when
// none is near.
func Nearest(name string, known []string) string { return didYouMean(name, known) }
