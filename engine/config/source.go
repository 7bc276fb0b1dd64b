package config

import "strings"

// sourceMark stands between the file and the set in a resource's source.
const sourceMark = " @ "

// sourceOf says which file of which set a resource was applied from:
// "workflows/lead-sync.yaml @ acme/flows", without a set the file alone.
func sourceOf(file, set string) string {
	if set == "" {
		return file
	}
	return file + sourceMark + set
}

// setOf is the set of a source, empty for none.
func setOf(source string) string {
	if i := strings.LastIndex(source, sourceMark); i >= 0 {
		return source[i+len(sourceMark):]
	}
	return ""
}

// validSet tells whether a set's name can be recorded in a source.
func validSet(set string) bool {
	return len(set) <= 200 && !strings.Contains(set, sourceMark) && strings.TrimSpace(set) == set &&
		!strings.ContainsFunc(set, func(r rune) bool { return r < ' ' || r == 0x7f })
}
