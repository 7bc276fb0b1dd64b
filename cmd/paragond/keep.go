package main

import (
	"fmt"
	"strings"
	"time"

	"paragon/engine/logs"
	"paragon/schema"
)

// shortestKeep is the least time that history is kept: what may still be
// written for a run that has just ended is never in the way.
const shortestKeep = schema.Duration(24 * time.Hour)

// parseKeep reads --keep-history: a duration for all projects, or
// project=duration for one. 0 keeps for ever.
func parseKeep(texts []string) (logs.Keep, error) {
	keep := logs.Keep{Projects: map[string]time.Duration{}}
	for _, text := range texts {
		project, value, named := strings.Cut(text, "=")
		if !named {
			value = text
		}
		d, err := schema.ParseDuration(value)
		if err != nil || named && project == "" {
			return keep, fmt.Errorf("--keep-history %q: write it like 30d, or shop=90d", text)
		}
		if d != 0 && d < shortestKeep {
			return keep, fmt.Errorf("--keep-history %q: a day (1d) is the least, and 0 keeps for ever", text)
		}
		if named {
			keep.Projects[project] = time.Duration(d)
		} else {
			keep.Default = time.Duration(d)
		}
	}
	return keep, nil
}
