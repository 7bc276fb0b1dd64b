package schema

import (
	"encoding/json"
	"fmt"
)

// The limits of a project's weight.
const (
	DefaultWeight = 1
	MaxWeight     = 1000
)

// ProjectSettings are what an installation's owner sets of a project.
type ProjectSettings struct {
	// Weight is the project's share of the workers while projects compete for
	// them: one of weight 3 has three runs started for each one of a project of
	// weight 1. From 1 to MaxWeight; 0 stands for DefaultWeight.
	Weight int `json:"weight,omitempty"`
}

// ParseProjectSettings reads settings as they are stored; nothing is the
// default.
func ParseProjectSettings(raw json.RawMessage) (ProjectSettings, error) {
	s := ProjectSettings{Weight: DefaultWeight}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &s); err != nil {
			return s, fmt.Errorf("settings of the project: %w", err)
		}
	}
	if s.Weight == 0 {
		s.Weight = DefaultWeight
	}
	if s.Weight < 1 || s.Weight > MaxWeight {
		return s, fmt.Errorf("settings of the project: weight is %d, and must be from 1 to %d", s.Weight, MaxWeight)
	}
	return s, nil
}
