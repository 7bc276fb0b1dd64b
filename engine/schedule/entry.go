package schedule

import (
	"encoding/json"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"paragon/engine/cache"
	"paragon/schema"
	"paragon/workflows"
)

// entry is one cron trigger of one workflow.
type entry struct {
	project, workflow string
	wf                *cache.Workflow
	trigger           *workflows.Trigger
	spec              *schema.CronTrigger
	cron              workflows.Schedule
}

// id names the trigger in all of the installation.
func (e *entry) id() string { return e.project + "/" + e.workflow + "/" + e.trigger.Spec.ID }

// jitter is the trigger's fixed share of its jitter.
func (e *entry) jitter() time.Duration {
	most := time.Duration(e.spec.Jitter)
	if most <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(e.id())) // never fails
	return time.Duration(h.Sum64() % uint64(most))
}

// missed lists the times after last and up to now that are to be fired, by the
// catch-up policy, oldest first. A time counts as on time while it is not older
// than late; those are fired under every policy. What else there is, none drops;
// latest fires the last one when nothing is on time, all fires the last maxCatchUp.
// It takes no longer after a long outage than after a short one.
func (e *entry) missed(last, now time.Time) []time.Time {
	// A time of exactly late ago is on time.
	fresh := now.Add(-late - 1)
	switch e.spec.CatchUp {
	case "all":
		return e.latest(last, now, maxCatchUp)
	case "latest":
		if due := e.latest(later(last, fresh), now, maxCatchUp); len(due) > 0 {
			return due
		}
		return e.latest(last, now, 1)
	}
	return e.latest(later(last, fresh), now, maxCatchUp)
}

// latest lists the last so many due times after from and up to to, oldest first.
// A schedule only looks forward, so it is asked for stretches that end where the
// one before began, each twice as long as the one before.
func (e *entry) latest(from, to time.Time, most int) []time.Time {
	var due []time.Time
	for end, length := to, time.Minute; end.After(from) && len(due) < most; length *= 2 {
		begin := from
		if end.Sub(from) > length { // Sub saturates, so a long time ago is no overflow
			begin = end.Add(-length)
		}
		var stretch []time.Time
		for t := e.cron.Next(begin); !t.IsZero() && !t.After(end); t = e.cron.Next(t) {
			stretch = append(stretch, t)
		}
		due = append(stretch, due...)
		end = begin
	}
	return due[max(0, len(due)-most):]
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

const (
	// late is how old a time may be and still count as on time: it covers the
	// change of a leader.
	late = 30 * time.Second
	// maxCatchUp bounds what catchUp: all makes up for.
	maxCatchUp = 1000
)

// entriesOf lists the cron triggers of all projects, in a fixed order, and tells
// whether these are all: not while the configuration is not there, or is in part
// unreadable.
func entriesOf(c *cache.Cache) (out []*entry, all bool) {
	all = c.Ready() == nil
	for _, p := range c.Projects() {
		for _, wf := range p.Workflows() {
			if wf.Broken != nil {
				all = false
				continue
			}
			for _, t := range wf.Triggers {
				if t.Spec.Cron == nil {
					continue
				}
				parsed, err := workflows.ParseSchedule(t.Spec.Cron.Schedule, t.Spec.Cron.Timezone)
				if err != nil {
					continue // refused when it was applied
				}
				out = append(out, &entry{project: p.Name, workflow: wf.Name, wf: wf, trigger: t, spec: t.Spec.Cron, cron: parsed})
			}
		}
	}
	slices.SortFunc(out, func(a, b *entry) int { return strings.Compare(a.id(), b.id()) })
	return out, all
}

// mark is what is known of a trigger's past, in Redis.
type mark struct {
	// Last is the latest time that was handled, Run the run of the latest that
	// was fired.
	Last time.Time `json:"last"`
	Run  string    `json:"run,omitempty"`
	// Walk is the way through the users that is under way.
	Walk *walk `json:"walk,omitempty"`
	// Rule is the schedule, zone and policy that this is about: under another
	// one the trigger is new.
	Rule string `json:"rule,omitempty"`
}

// rule is what a mark is about.
func (e *entry) rule() string {
	return strings.Join([]string{e.spec.Schedule, e.spec.Timezone, e.spec.CatchUp}, "|")
}

func readMark(text string) (mark, bool) {
	var m mark
	if json.Unmarshal([]byte(text), &m) != nil {
		return mark{}, false
	}
	return m, true
}
