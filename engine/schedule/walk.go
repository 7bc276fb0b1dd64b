package schedule

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"paragon/engine/cache"
	"paragon/engine/connect/enrol"
	"paragon/engine/execution"
	"paragon/schema"
	"paragon/workflows/interpret"
)

// Users is what the scheduler needs of who has which workflow.
type Users interface {
	// Page lists users whose place is at least from and below to.
	Page(ctx context.Context, wf *cache.Workflow, from, to uint64, limit int) (*enrol.Page, error)
}

// walk is the way through the users of a workflow for one time of a cron
// trigger: each has a place, and is fired when the share of the spread that has
// passed reaches it. So no time brings a spike, and nothing is kept of users
// but how far the walk is.
type walk struct {
	Due   time.Time `json:"due"`
	Began time.Time `json:"began"`
	// Seen is when it went on last, Place how far it is.
	Seen  time.Time `json:"seen"`
	Place uint64    `json:"place"`
}

const (
	// walkPage is how many users one round fires for one trigger, at most, and
	// walkWorkers how many of them at once.
	walkPage    = 500
	walkWorkers = 64
	// walkPause is the shortest time between two rounds of a walk that is not
	// behind.
	walkPause = 100 * time.Millisecond
	// walkGap is from when on a walk counts as interrupted: it goes on at its
	// pace, and makes up for nothing at once.
	walkGap = 10 * time.Second
	// mostSpread is the longest spread of a trigger that says none.
	mostSpread = 10 * time.Minute
	// walkKeys is how long a user's start is known by its key. A page is fired
	// again only by who takes over from a leader that ended in the middle of it.
	walkKeys = time.Hour
	// lastKey has the latest run of each user of a trigger whose overlap matters.
	lastKey = "paragon:{cron}:last:"
)

// users tells whether the trigger is one of a workflow with users.
func (e *entry) users() bool { return e.wf != nil && e.wf.Workflow != nil && e.wf.Users != nil }

// spread is the time that the starts of one time are spread over: the
// trigger's jitter, else half of the time until the next one and ten minutes at
// most; never longer than until the next one.
func (e *entry) spread(due time.Time) time.Duration {
	most := time.Duration(e.spec.Jitter)
	next := e.cron.Next(due)
	if next.IsZero() {
		if most > 0 {
			return most
		}
		return mostSpread
	}
	if most <= 0 {
		most = min(next.Sub(due)/2, mostSpread)
	}
	return min(most, next.Sub(due))
}

// walkOn goes on with what is due of a trigger of a workflow with users, and
// returns when there is more to do. A walk that has begun is walked to its end
// before the next one; which times are walked at all is for the catch-up policy.
func (s *Scheduler) walkOn(ctx context.Context, e *entry, known string) (time.Time, error) {
	if s.opts.Users == nil {
		return time.Time{}, nil
	}
	now := s.opts.Now()
	m, ok := readMark(known)
	if !ok || m.Rule != e.rule() {
		m = mark{Last: now, Rule: e.rule()}
		if err := s.note(ctx, e, m); err != nil {
			return time.Time{}, err
		}
	}
	if m.Walk == nil {
		due := e.missed(m.Last, now)
		if len(due) == 0 {
			return e.cron.Next(now), nil
		}
		began := due[0]
		if now.Sub(began) > late {
			began = now
		}
		m.Last, m.Walk = due[0], &walk{Due: due[0], Began: began, Seen: began}
		if err := s.note(ctx, e, m); err != nil {
			return time.Time{}, err
		}
	}
	w := m.Walk
	if gap := now.Sub(w.Seen); gap > walkGap {
		w.Began = w.Began.Add(gap)
	}
	w.Seen = now
	spread := e.spread(w.Due)
	page, err := s.opts.Users.Page(ctx, e.wf, w.Place, placeAt(now.Sub(w.Began), spread), walkPage)
	if err != nil {
		return time.Time{}, err
	}
	if err := s.fireAll(ctx, e, w.Due, page.Users); err != nil {
		return time.Time{}, err
	}
	w.Place = page.Last
	next := w.Began.Add(time.Duration(float64(spread) * (float64(page.Next) / enrol.Slots)))
	if page.Next >= enrol.Slots {
		m.Walk = nil
		next = now
	}
	if err := s.note(ctx, e, m); err != nil {
		return time.Time{}, err
	}
	if m.Walk == nil {
		if due := e.missed(m.Last, now); len(due) > 0 {
			return now, nil
		}
		return e.cron.Next(now), nil
	}
	if len(page.Users) < walkPage {
		next = later(next, now.Add(walkPause))
	}
	return next, nil
}

// placeAt is the place below which all have their turn after a time.
func placeAt(passed, spread time.Duration) uint64 {
	switch {
	case passed >= spread:
		return enrol.Slots
	case passed <= 0:
		return 0
	}
	return uint64(float64(enrol.Slots) * (float64(passed) / float64(spread)))
}

// fireAll starts the runs of one time for users. After an error they all are
// fired again, and those that were started are known by their keys.
func (s *Scheduler) fireAll(ctx context.Context, e *entry, at time.Time, list []schema.RunUser) error {
	before, err := s.before(ctx, e, list)
	if err != nil {
		return err
	}
	started := make([]string, len(list))
	group, firing := errgroup.WithContext(ctx)
	group.SetLimit(walkWorkers)
	for i := range list {
		group.Go(func() (err error) {
			started[i], err = s.fireFor(firing, e, at, &list[i], before[i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return s.noteLast(ctx, e, list, started)
}

// overlaps tells whether the trigger's runs may overlap, so that nobody needs to
// know of those before.
func (e *entry) overlaps() bool {
	return e.spec.Overlap != "skip" && e.spec.Overlap != "cancelPrevious"
}

// before is the latest run of each user, empty for none.
func (s *Scheduler) before(ctx context.Context, e *entry, list []schema.RunUser) ([]string, error) {
	out := make([]string, len(list))
	if e.overlaps() || len(list) == 0 {
		return out, nil
	}
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	found, err := s.opts.Redis.HMGet(ctx, lastKey+e.id(), ids...).Result()
	if err != nil {
		return nil, fmt.Errorf("read the latest runs of users: %w", err)
	}
	for i, v := range found {
		out[i], _ = v.(string)
	}
	return out, nil
}

func (s *Scheduler) noteLast(ctx context.Context, e *entry, list []schema.RunUser, started []string) error {
	if e.overlaps() {
		return nil
	}
	var pairs []any
	for i, run := range started {
		if run != "" {
			pairs = append(pairs, list[i].ID, run)
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	if err := s.opts.Redis.HSet(ctx, lastKey+e.id(), pairs...).Err(); err != nil {
		return fmt.Errorf("note the latest runs of users: %w", err)
	}
	return nil
}

// fireFor starts the run of one time for one user, unless the overlap policy
// says no.
func (s *Scheduler) fireFor(ctx context.Context, e *entry, at time.Time, who *schema.RunUser, before string) (string, error) {
	if may, err := s.mayOverlap(ctx, e, at, before); err != nil || !may {
		return "", err
	}
	trigger := schema.Trigger{Kind: "cron", ID: e.trigger.Spec.ID, Time: at.UTC()}
	input, _, err := interpret.TriggerInput(e.trigger, trigger, nil, interpret.PersonOf(who))
	if err != nil {
		return "", s.refused(e, at, err)
	}
	run, err := s.opts.Runs.Trigger(ctx, execution.Request{
		Project: e.project, Workflow: e.workflow, Input: input, Trigger: trigger, User: who.ID, For: who,
		IdempotencyKey: "cron/" + e.trigger.Spec.ID + "/" + strconv.FormatInt(at.Unix(), 10) + "/" + who.ID, KeyLife: walkKeys,
	})
	if err != nil {
		return "", s.refused(e, at, err)
	}
	return run.ID, nil
}
