package destination

import (
	"slices"
	"time"

	"paragon/engine/notice"
	"paragon/schema"
	"paragon/schema/api"
)

const (
	// maxGroups bounds the groups of one message; what else there is shares one
	// for each event.
	maxGroups = 50
	// maxHistory is how many deliveries are remembered.
	maxHistory = 50
	// others is the subject of what shares a group.
	others = "(others)"
)

// state is all that is known of one destination. Its methods decide, given the
// time; they do no I/O.
type state struct {
	// Since is when the destination was first seen, or a little earlier: what
	// happened before is not told.
	Since time.Time `json:"since"`
	// Revision is that of the last attempt.
	Revision int64 `json:"revision,omitempty"`
	// Groups wait to be told, since First.
	Groups []group   `json:"groups,omitempty"`
	First  time.Time `json:"first,omitzero"`
	// Made is when the latest message was made.
	Made time.Time `json:"made,omitzero"`
	// Pending is the message that is being sent, Test one that was asked for.
	Pending *pending `json:"pending,omitempty"`
	Test    *pending `json:"test,omitempty"`
	// History has what came of the others, the newest first.
	History []api.Delivery `json:"history,omitempty"`
	// Failing is since when no attempt has arrived; zero when the last one did.
	Failing time.Time `json:"failing,omitzero"`
	// Disabled is since when nothing is sent any more, and Reason why.
	Disabled time.Time `json:"disabled,omitzero"`
	Reason   string    `json:"reason,omitempty"`
	// Merged has the latest batch of each source.
	Merged map[string]string `json:"merged,omitempty"`
	// Untold says that the audit log and the other destinations are still to be
	// told that this one was disabled.
	Untold bool `json:"untold,omitempty"`
}

// group is an event of a subject, with how often it happened.
type group struct {
	Event    string           `json:"event"`
	Subject  string           `json:"subject"`
	Count    int64            `json:"count"`
	First    time.Time        `json:"first"`
	Last     time.Time        `json:"last"`
	Examples []notice.Example `json:"examples"`
}

// pending is a message on its way.
type pending struct {
	api.Delivery
	Groups []group `json:"groups,omitempty"`
	// Claimed is until when the process that sends it may take; whoever finds it
	// later sends it again.
	Claimed time.Time `json:"claimed,omitzero"`
}

// merge adds what a batch has for the destination, once.
func (s *state) merge(b *notice.Batch, wants func(notice.Count) bool, now time.Time) {
	if s.Merged[b.Source] == b.ID {
		return
	}
	if s.Merged == nil {
		s.Merged = map[string]string{}
	}
	s.Merged[b.Source] = b.ID
	for _, c := range b.Counts {
		if c.Last.Before(s.Since) || !wants(c) {
			continue
		}
		if len(s.Groups) == 0 {
			s.First = now
		}
		s.add(c)
	}
}

func (s *state) add(c notice.Count) {
	at := func(subject string) int {
		return slices.IndexFunc(s.Groups, func(g group) bool { return g.Event == c.Event && g.Subject == subject })
	}
	i := at(c.Subject)
	if i < 0 && len(s.Groups) >= maxGroups {
		c.Subject = others
		i = at(others)
	}
	if i < 0 {
		s.Groups = append(s.Groups, group{Event: c.Event, Subject: c.Subject, First: c.First, Last: c.Last})
		i = len(s.Groups) - 1
	}
	g := &s.Groups[i]
	g.Count += c.Count
	if c.First.Before(g.First) {
		g.First = c.First
	}
	if c.Last.After(g.Last) {
		g.Last = c.Last
	}
	g.Examples = append(g.Examples, c.Examples...)
	g.Examples = g.Examples[:min(len(g.Examples), notice.Examples)]
}

// due is when there is something to do next; zero: not before something happens.
func (s *state) due(wait, interval time.Duration) time.Time {
	var at time.Time
	sooner := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	if s.Untold {
		sooner(s.Disabled)
	}
	if s.Test != nil {
		sooner(later(s.Test.NextAttempt, s.Test.Claimed))
	}
	switch {
	case !s.Disabled.IsZero():
	case s.Pending != nil:
		sooner(later(s.Pending.NextAttempt, s.Pending.Claimed))
	case len(s.Groups) > 0:
		sooner(s.ripe(wait, interval))
	}
	return at
}

// ripe is when the groups that wait become a message.
func (s *state) ripe(wait, interval time.Duration) time.Time {
	at := s.First.Add(wait)
	if !s.Made.IsZero() {
		at = later(at, s.Made.Add(interval))
	}
	return at
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// make turns the groups that wait into a message, when it is time. While one is
// on its way no other is made: what happens meanwhile shares the next.
func (s *state) make(id string, wait, interval time.Duration, now time.Time) {
	if s.Pending != nil || !s.Disabled.IsZero() || len(s.Groups) == 0 || now.Before(s.ripe(wait, interval)) {
		return
	}
	p := &pending{Delivery: api.Delivery{ID: id, State: api.DeliveryPending, CreatedAt: now, NextAttempt: now}, Groups: s.Groups}
	for _, g := range p.Groups {
		p.Events += g.Count
	}
	s.Pending, s.Groups, s.First, s.Made = p, nil, time.Time{}, now
}

// ask adds a message that tests the destination. It is sent once, also to one
// that is disabled.
func (s *state) ask(id string, now time.Time) api.Delivery {
	s.Test = &pending{Delivery: api.Delivery{ID: id, Test: true, State: api.DeliveryPending, CreatedAt: now, NextAttempt: now}}
	return s.Test.Delivery
}

// claim takes what is to be sent now, a test first, for a time; nil when
// nothing is. A new revision of the destination does not wait for the next
// attempt.
func (s *state) claim(revision int64, until, now time.Time) *pending {
	changed := s.Revision != 0 && revision != s.Revision
	s.Revision = revision
	if p := s.Test; p != nil && !p.Claimed.After(now) {
		p.Claimed = until
		return p
	}
	p := s.Pending
	if p == nil || !s.Disabled.IsZero() || p.Claimed.After(now) || p.NextAttempt.After(now) && !changed {
		return nil
	}
	p.Claimed = until
	return p
}

// find is the message of an id that is on its way; nil when it no longer is.
func (s *state) find(id string) *pending {
	for _, p := range []*pending{s.Test, s.Pending} {
		if p != nil && p.ID == id {
			return p
		}
	}
	return nil
}

// arrived ends a message that arrived.
func (s *state) arrived(id string, at attempt, now time.Time) {
	p := s.find(id)
	if p == nil {
		return // another process had the same
	}
	p.note(at, now)
	p.State, p.NextAttempt = api.DeliveryDelivered, time.Time{}
	if p == s.Pending {
		s.Failing = time.Time{}
	}
	s.end(p)
}

// failed notes an attempt that failed: there will be another, or the destination
// is disabled. That is at once when it said that it is gone.
func (s *state) failed(id string, at attempt, now time.Time) {
	p := s.find(id)
	if p == nil {
		return
	}
	p.note(at, now)
	if p == s.Test {
		p.State, p.NextAttempt = api.DeliveryFailed, time.Time{}
		s.end(p)
		return
	}
	if s.Failing.IsZero() {
		s.Failing = now
	}
	p.NextAttempt = now.Add(pause(p.Attempts))
	switch {
	case at.gone:
		s.disable("it answered 410 Gone: it wants no more messages", now)
	case now.Sub(s.Failing) >= GiveUp:
		s.disable("no message arrived for "+schema.Duration(GiveUp).String()+"; the last attempt: "+at.err, now)
	}
}

func (s *state) disable(reason string, now time.Time) {
	s.Disabled, s.Reason, s.Untold = now, reason, true
	s.Pending.NextAttempt = time.Time{}
}

// resume lets a destination that is disabled, or that is being tried again, be
// tried at once.
func (s *state) resume(now time.Time) {
	s.Disabled, s.Failing, s.Reason, s.Untold = time.Time{}, time.Time{}, "", false
	if s.Pending != nil {
		s.Pending.NextAttempt, s.Pending.Claimed = now, time.Time{}
	}
}

// end puts a message into the history.
func (s *state) end(p *pending) {
	if p == s.Test {
		s.Test = nil
	} else {
		s.Pending = nil
	}
	s.History = slices.Insert(s.History, 0, p.Delivery)
	s.History = s.History[:min(len(s.History), maxHistory)]
}

// deliveries lists what is on its way and what was sent, the newest first.
func (s *state) deliveries() []api.Delivery {
	out := []api.Delivery{}
	for _, p := range []*pending{s.Test, s.Pending} {
		if p != nil {
			out = append(out, p.Delivery)
		}
	}
	slices.SortStableFunc(out, func(a, b api.Delivery) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return append(out, s.History...)
}

// status is what is told of the destination.
func (s *state) status() api.DestinationStatus {
	out := api.DestinationStatus{State: api.DestinationActive, Reason: s.Reason, FailingSince: s.Failing, DisabledAt: s.Disabled}
	for _, g := range s.Groups {
		out.Waiting += g.Count
	}
	switch {
	case !s.Disabled.IsZero():
		out.State = api.DestinationDisabled
	case !s.Failing.IsZero():
		out.State = api.DestinationFailing
	}
	if all := s.deliveries(); len(all) > 0 {
		out.Last = &all[0]
	}
	return out
}

// attempt is what came of one.
type attempt struct {
	status int
	err    string
	gone   bool
}

func (p *pending) note(at attempt, now time.Time) {
	p.Attempts++
	p.LastAttempt, p.Status, p.Error = now, at.status, at.err
	p.Claimed = time.Time{}
}
