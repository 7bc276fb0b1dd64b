package destination

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"
)

// Name names a destination of a project.
type Name struct{ Project, Name string }

// Standing is how sending to a destination goes, in figures.
type Standing struct {
	Name
	// Waiting are the events that it is still to be told, those of the message on
	// its way included.
	Waiting int64
	// Delay is for how long the oldest of these has waited; 0 when none does. A
	// healthy one waits for as long as the destination groups.
	Delay time.Duration
	// Disabled says that nothing is sent until it is resumed.
	Disabled bool
}

// Standings tells how sending to each destination of the installation goes,
// whichever process sends. Redis is asked only where there is a destination.
func (s *Sender) Standings(ctx context.Context) ([]Standing, error) {
	all := targets(s.opts.Config)
	if len(all) == 0 {
		return nil, nil
	}
	ids := make([]string, len(all))
	for i, t := range all {
		ids[i] = t.id()
	}
	states, err := s.opts.Redis.HMGet(ctx, statesKey, ids...).Result()
	if err != nil {
		return nil, fmt.Errorf("read the states of destinations: %w", err)
	}
	out := make([]Standing, len(all))
	for i, t := range all {
		out[i].Name = Name{t.project.Name, t.Destination.Name}
		raw, ok := states[i].(string)
		if !ok {
			continue // no sender has met it yet
		}
		var st state
		if err := json.Unmarshal([]byte(raw), &st); err != nil {
			return nil, fmt.Errorf("read the state of destination %s: %w", t.id(), err)
		}
		out[i].Waiting, out[i].Delay, out[i].Disabled = st.waits(s.opts.Now())
	}
	return out, nil
}

// waits tells how many events wait, for how long the oldest has, and whether
// that is without end.
func (s *state) waits(now time.Time) (events int64, delay time.Duration, disabled bool) {
	groups := s.Groups
	if s.Pending != nil {
		groups = append(groups[:len(groups):len(groups)], s.Pending.Groups...)
	}
	for _, g := range groups {
		events += g.Count
		delay = max(delay, now.Sub(g.First))
	}
	return events, delay, !s.Disabled.IsZero()
}

// Attempts are those of a destination that this process made.
type Attempts struct{ Delivered, Failed int64 }

// tally counts attempts.
type tally struct {
	mu sync.Mutex
	by map[Name]Attempts
}

func (c *tally) note(t target, at attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[Name]Attempts{}
	}
	name := Name{t.project.Name, t.Destination.Name}
	n := c.by[name]
	if at.err == "" {
		n.Delivered++
	} else {
		n.Failed++
	}
	c.by[name] = n
}

// Attempts are those that this process made since it began, tests included.
func (s *Sender) Attempts() map[Name]Attempts {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	return maps.Clone(s.tally.by)
}
