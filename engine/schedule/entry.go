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
// catch-up policy, oldest first; none before the first start. A time counts as
// missed, and not as on time, when it is older than late.
func (e *entry) missed(last, now time.Time) []time.Time {
	var due []time.Time
	for t := e.cron.Next(last); !t.IsZero() && !t.After(now); t = e.cron.Next(t) {
		due = append(due, t)
		if len(due) > maxCatchUp {
			due = due[1:]
		}
	}
	fresh := slices.IndexFunc(due, func(t time.Time) bool { return now.Sub(t) <= late })
	switch {
	case e.spec.CatchUp == "all" || len(due) == 0:
		return due
	case fresh >= 0:
		return due[fresh:]
	case e.spec.CatchUp == "latest":
		return due[len(due)-1:]
	}
	return nil
}

const (
	// late is how old a time may be and still count as on time: it covers the
	// change of a leader.
	late = 30 * time.Second
	// maxCatchUp bounds what catchUp: all makes up for.
	maxCatchUp = 1000
)

// entriesOf lists the cron triggers of all projects, in a fixed order.
func entriesOf(c *cache.Cache) []*entry {
	var out []*entry
	for _, p := range c.Projects() {
		for _, wf := range p.Workflows() {
			if wf.Broken != nil {
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
				out = append(out, &entry{project: p.Name, workflow: wf.Name, trigger: t, spec: t.Spec.Cron, cron: parsed})
			}
		}
	}
	slices.SortFunc(out, func(a, b *entry) int { return strings.Compare(a.id(), b.id()) })
	return out
}

// mark is what is known of a trigger's past, in Redis.
type mark struct {
	// Last is the latest time that was handled, Run the run of the latest that
	// was fired.
	Last time.Time `json:"last"`
	Run  string    `json:"run,omitempty"`
}

func readMark(text string) (mark, bool) {
	var m mark
	if json.Unmarshal([]byte(text), &m) != nil {
		return mark{}, false
	}
	return m, true
}
