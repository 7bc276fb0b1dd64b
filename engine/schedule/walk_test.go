package schedule

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"paragon/engine/cache"
	"paragon/engine/connect/enrol"
	"paragon/engine/execution"
	"paragon/schema"
	"paragon/workflows"
)

// crowd is who has a workflow, in order of places, and how it was asked.
type crowd struct {
	users []schema.RunUser
	slots []uint64
	asked int
	fail  error
}

func crowdOf(n int) *crowd {
	c := &crowd{}
	for i := range n {
		c.users = append(c.users, schema.RunUser{ID: fmt.Sprintf("u_%d", i), Settings: []byte(`{"channel":"x"}`)})
	}
	slices.SortFunc(c.users, func(a, b schema.RunUser) int {
		return int(int64(enrol.SlotOf(a.ID)) - int64(enrol.SlotOf(b.ID)))
	})
	for _, u := range c.users {
		c.slots = append(c.slots, enrol.SlotOf(u.ID))
	}
	return c
}

func (c *crowd) Page(_ context.Context, _ *cache.Workflow, from, to uint64, limit int) (*enrol.Page, error) {
	c.asked++
	if c.fail != nil {
		return nil, c.fail
	}
	a, _ := slices.BinarySearch(c.slots, from)
	b, _ := slices.BinarySearch(c.slots, to)
	out := &enrol.Page{Last: to, Next: enrol.Slots}
	if b-a > limit {
		b = a + limit
		for b < len(c.slots) && c.slots[b] == c.slots[b-1] {
			b++
		}
		out.Last = c.slots[b-1] + 1
	}
	if b < len(c.slots) {
		out.Next = c.slots[b]
	}
	out.Users = c.users[a:b]
	return out, nil
}

// forUsers adds a cron trigger to a workflow with users.
func (r *rig) forUsers(id, cron string) {
	r.t.Helper()
	docs, diags := workflows.Parse(workflows.Source{File: "w.yaml", Data: []byte("apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: w}\nspec:\n" +
		"  users: {settings: {type: object, properties: {channel: {type: string}}}}\n  triggers:\n    - id: " + id +
		"\n      cron: " + cron + "\n      input: {to: \"${{ settings.channel }}\"}\n  steps: [{id: a, set: {b: 1}}]\n")})
	if diags.HasErrors() {
		r.t.Fatal(diags)
	}
	w, diags := docs[0].Compile()
	if w == nil {
		r.t.Fatal(diags)
	}
	tr := w.Triggers[id]
	parsed, err := workflows.ParseSchedule(tr.Spec.Cron.Schedule, tr.Spec.Cron.Timezone)
	if err != nil {
		r.t.Fatal(err)
	}
	r.entries = append(r.entries, &entry{project: "default", workflow: "w", wf: &cache.Workflow{Workflow: w, Project: "default"}, trigger: tr, spec: tr.Spec.Cron, cron: parsed})
}

// walked lets time pass from a moment to another in steps, and returns how many
// were fired in each.
func (r *rig) walked(s *Scheduler, from, to time.Time, step time.Duration) (counts []int, all []string) {
	r.t.Helper()
	for at := from; at.Before(to); at = at.Add(step) {
		n := 0
		// As the loop does: again as long as there is more to do at once.
		for range 1000 {
			r.mu.Lock()
			r.now, r.fired = at, nil
			r.mu.Unlock()
			next, err := s.round(r.t.Context())
			if err != nil {
				r.t.Fatal(err)
			}
			n += len(r.fired)
			all = append(all, r.fired...)
			if next.After(at) {
				break
			}
		}
		counts = append(counts, n)
	}
	return counts, all
}

func TestEveryUserOnceSpreadOverTheJitter(t *testing.T) {
	r := newRig(t)
	r.forUsers("hourly", `{schedule: "0 * * * *", jitter: 10m}`)
	s := r.scheduler("one")
	s.opts.Users = crowdOf(1000)
	if got := r.round(s, date("2026-05-04T12:30:00Z")); len(got) != 0 {
		t.Fatalf("a new trigger fired %d", len(got))
	}
	counts, all := r.walked(s, date("2026-05-04T13:00:00Z"), date("2026-05-04T13:20:00Z"), 5*time.Second)
	slices.Sort(all)
	if len(all) != 1000 || len(slices.Compact(all)) != 1000 || !strings.HasSuffix(all[0], `{"to":"x"}`) {
		t.Fatalf("fired %d, with %q", len(all), all[0])
	}
	for i := 1; i < len(counts)-6; i += 6 { // 50 each half minute, for ten minutes
		n := 0
		for _, c := range counts[i : i+6] {
			n += c
		}
		if i <= 115 && (n < 20 || n > 90) || i > 120 && n != 0 {
			t.Errorf("%d in the half minute from %d s on: %v", n, 5*i, counts)
		}
	}
	if _, again := r.walked(s, date("2026-05-04T13:20:00Z"), date("2026-05-04T13:59:59Z"), time.Minute); len(again) != 0 {
		t.Errorf("fired again: %v", again)
	}
	if _, next := r.walked(s, date("2026-05-04T14:00:00Z"), date("2026-05-04T14:11:00Z"), 5*time.Second); len(next) != 1000 {
		t.Errorf("the next hour fired %d", len(next))
	}
}

func TestSpreadWithoutJitter(t *testing.T) {
	for schedule, want := range map[string]time.Duration{
		`{schedule: "0 2 * * *"}`:               mostSpread,
		`{schedule: "*/5 * * * *"}`:             150 * time.Second,
		`{schedule: "* * * * *"}`:               30 * time.Second,
		`{schedule: "* * * * *", jitter: 5m}`:   time.Minute, // never into the next
		`{schedule: "0 2 * * *", jitter: 3h}`:   3 * time.Hour,
		`{schedule: "*/10 * * * * *"}`:          5 * time.Second,
		`{schedule: "0 0 29 2 *", jitter: 20s}`: 20 * time.Second,
	} {
		r := newRig(t)
		r.forUsers("c", schedule)
		if got := r.entries[0].spread(r.entries[0].cron.Next(r.now)); got != want {
			t.Errorf("%s: %s, want %s", schedule, got, want)
		}
	}
}

func TestAnotherLeaderGoesOnWithAWalk(t *testing.T) {
	r := newRig(t)
	r.forUsers("hourly", `{schedule: "0 * * * *", jitter: 10m}`)
	one, two := r.scheduler("one"), r.scheduler("two")
	who := crowdOf(1000)
	one.opts.Users, two.opts.Users = who, who
	r.round(one, date("2026-05-04T12:30:00Z"))
	_, first := r.walked(one, date("2026-05-04T13:00:00Z"), date("2026-05-04T13:05:00Z"), 5*time.Second)
	if len(first) < 400 || len(first) > 600 {
		t.Fatalf("half of the time fired %d", len(first))
	}
	// Nobody leads for twenty minutes; then the walk goes on at its pace, and
	// makes up for nothing at once.
	counts, rest := r.walked(two, date("2026-05-04T13:25:00Z"), date("2026-05-04T13:31:00Z"), 5*time.Second)
	if got := len(first) + len(rest); got != 1000 {
		t.Errorf("fired %d in all", got)
	}
	if n := slices.Max(counts); n > 60 {
		t.Errorf("%d at once after the pause: %v", n, counts)
	}
	all := append(first, rest...)
	slices.Sort(all)
	if len(slices.Compact(all)) != 1000 {
		t.Error("somebody was fired twice")
	}
}

func TestAWalkThatFailsIsMadeUpFor(t *testing.T) {
	r := newRig(t)
	r.forUsers("hourly", `{schedule: "0 * * * *", jitter: 1m}`)
	s, who := r.scheduler("one"), crowdOf(100)
	s.opts.Users = who
	r.round(s, date("2026-05-04T12:30:00Z"))
	r.refuse(errAway)
	r.now = date("2026-05-04T13:00:05Z")
	if _, err := s.round(t.Context()); err == nil {
		t.Fatal("no error")
	}
	r.refuse(nil)
	who.fail = errAway
	if _, err := s.round(t.Context()); err == nil {
		t.Fatal("no error")
	}
	who.fail = nil
	// A user whom the workflow refuses is passed over.
	r.refuse(&schema.Problem{Type: schema.ProblemInvalid, Status: 422, Title: "no"})
	r.walked(s, date("2026-05-04T13:00:06Z"), date("2026-05-04T13:00:07Z"), time.Second)
	r.refuse(nil)
	_, all := r.walked(s, date("2026-05-04T13:00:08Z"), date("2026-05-04T13:01:10Z"), time.Second)
	if len(all) < 80 || len(all) >= 100 {
		t.Errorf("fired %d", len(all))
	}
}

func TestOverlapOfEachUser(t *testing.T) {
	for policy, want := range map[string]int{"skip": 1, "cancelPrevious": 3} {
		r := newRig(t)
		r.forUsers("minutely", `{schedule: "* * * * *", jitter: 1s, overlap: `+policy+`}`)
		s := r.scheduler("one")
		s.opts.Users = crowdOf(3)
		r.round(s, date("2026-05-04T12:59:30Z"))
		_, first := r.walked(s, date("2026-05-04T13:00:00Z"), date("2026-05-04T13:00:10Z"), time.Second)
		r.end("run1")
		_, second := r.walked(s, date("2026-05-04T13:01:00Z"), date("2026-05-04T13:01:10Z"), time.Second)
		if len(first) != 3 || len(second) != want || policy == "cancelPrevious" && len(r.canceled) != 2 {
			t.Errorf("%s: %d, then %d, canceled %v", policy, len(first), len(second), r.canceled)
		}
		r.entries = nil
		r.round(s, date("2026-05-04T13:02:00Z"))
		if r.redis.Exists(lastKey + "default/w/minutely") {
			t.Errorf("%s: the runs of a trigger that is gone are kept", policy)
		}
	}
}

// counting is an execution plane that accepts everything.
type counting struct{}

func (c *counting) Trigger(context.Context, execution.Request) (*schema.Run, error) {
	return &schema.Run{ID: "r"}, nil
}
func (c *counting) Live(context.Context, string, string) (bool, error) { return false, nil }
func (c *counting) Cancel(context.Context, string, string, string) (*schema.Run, error) {
	return nil, nil
}

// A hundred thousand users of an hourly trigger: no second has more than a few
// times its share, no round takes more than a page, and what a walk keeps does
// not grow with them.
func TestAHundredThousandUsersMakeNoSpike(t *testing.T) {
	const n = 100_000
	r := newRig(t)
	r.forUsers("hourly", `{schedule: "0 * * * *"}`)
	s, who := r.scheduler("one"), crowdOf(n)
	s.opts.Users, s.opts.Runs = who, &counting{}
	r.round(s, date("2026-05-04T12:30:00Z"))
	began, share := date("2026-05-04T13:00:00Z"), n/int(mostSpread.Seconds())
	var longest time.Duration
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	place, most := 0, 0
	for at := began; at.Before(began.Add(mostSpread + 2*time.Second)); at = at.Add(time.Second) {
		second := place
		for range 100 {
			r.now = at
			start := time.Now()
			next, err := s.round(t.Context())
			longest = max(longest, time.Since(start))
			if err != nil {
				t.Fatal(err)
			}
			m := r.mark("hourly")
			was := place
			if m.Walk == nil {
				place = n
			} else {
				place, _ = slices.BinarySearch(who.slots, m.Walk.Place)
			}
			if place-was > walkPage+1 {
				t.Fatalf("a round fired %d", place-was)
			}
			if next.After(at) {
				break
			}
		}
		most = max(most, place-second)
	}
	runtime.ReadMemStats(&after)
	if place != n || most > 2*share {
		t.Errorf("%d of %d had their turn, at most %d in a second, of which the share is %d", place, n, most, share)
	}
	if size := len(r.redis.HGet(marksKey, "default/w/hourly")); size > 500 {
		t.Errorf("the mark of the trigger has %d bytes", size)
	}
	t.Logf("at most %d in a second (share %d), the longest round took %s, %d rounds, %d MiB allocated in all", most, share, longest, who.asked, (after.TotalAlloc-before.TotalAlloc)>>20)
	if longest > 5*time.Second {
		t.Errorf("a round took %s", longest)
	}
}
