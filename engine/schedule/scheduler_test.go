package schedule

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"paragon/schema"
	"paragon/workflows"
)

// A new trigger is never due for the past, whatever its policy; from then on each
// of its times is fired once.
func TestEachTimeOnce(t *testing.T) {
	for _, catchUp := range []string{"none", "latest", "all"} {
		r := newRig(t)
		s := r.scheduler("a")
		r.trigger("t", `{schedule: "*/10 * * * *", catchUp: `+catchUp+`}`)
		r.expect("new", r.round(s, date("2026-05-04T12:00:00Z")))
		r.expect("early", r.round(s, date("2026-05-04T12:09:59Z")))
		r.expect("due", r.round(s, date("2026-05-04T12:10:00Z")), "t 2026-05-04T12:10:00Z")
		r.expect("again", r.round(s, date("2026-05-04T12:10:01Z")))
		r.expect("late", r.round(s, date("2026-05-04T12:20:29Z")), "t 2026-05-04T12:20:00Z")
		r.expect("back", r.round(s, date("2026-05-04T12:19:00Z")))
		r.expect("on", r.round(s, date("2026-05-04T12:20:30Z")))
	}
}

func TestSixFields(t *testing.T) {
	r := newRig(t)
	s := r.scheduler("a")
	r.trigger("t", `{schedule: "*/2 * * * * *"}`)
	r.round(s, date("2026-05-04T12:00:00Z"))
	r.expect("seconds", r.round(s, date("2026-05-04T12:00:05Z")), "t 2026-05-04T12:00:02Z", "t 2026-05-04T12:00:04Z")
}

// The next time decides when the next round is.
func TestNextRound(t *testing.T) {
	r := newRig(t)
	s := r.scheduler("a")
	if at, err := s.round(t.Context()); err != nil || !at.IsZero() {
		t.Errorf("without triggers: %v %v", at, err)
	}
	r.trigger("day", `{schedule: "@daily"}`)
	r.trigger("hour", `{schedule: "30 * * * *"}`)
	if at, err := s.round(t.Context()); err != nil || !at.Equal(date("2026-05-04T12:30:00Z")) {
		t.Errorf("%v %v", at, err)
	}
}

func TestCatchUp(t *testing.T) {
	for _, tt := range []struct {
		catchUp, schedule, now string
		want                   []string
	}{
		{"none", "0 * * * *", "2026-05-04T15:10:00Z", nil},
		{"none", "0 * * * *", "2026-05-04T15:00:30Z", []string{"15:00:00"}}, // 30 s are still on time
		{"none", "0 * * * *", "2026-05-04T15:00:31Z", nil},
		{"none", "*/20 * * * * *", "2026-05-04T15:00:05Z", []string{"14:59:40", "15:00:00"}},
		{"latest", "0 * * * *", "2026-05-04T15:10:00Z", []string{"15:00:00"}},
		{"latest", "0 * * * *", "2026-05-04T15:00:30Z", []string{"15:00:00"}},
		{"latest", "0 * * * *", "2026-05-04T12:40:00Z", nil}, // nothing was missed
		{"latest", "*/20 * * * * *", "2026-05-04T15:00:05Z", []string{"14:59:40", "15:00:00"}},
		{"all", "0 * * * *", "2026-05-04T15:10:00Z", []string{"13:00:00", "14:00:00", "15:00:00"}},
	} {
		t.Run(tt.catchUp+" "+tt.schedule+" "+tt.now, func(t *testing.T) {
			r := newRig(t)
			s := r.scheduler("a")
			r.trigger("t", `{schedule: "`+tt.schedule+`", catchUp: `+tt.catchUp+`}`)
			r.round(s, date("2026-05-04T12:00:00Z"))
			// An outage: nobody looks until now.
			var want []string
			for _, at := range tt.want {
				want = append(want, "t 2026-05-04T"+at+"Z")
			}
			r.expect("after", r.round(s, date(tt.now)), want...)
			r.expect("again", r.round(s, date(tt.now)))
			r.expect("a little later", r.round(s, date(tt.now).Add(time.Second)))
		})
	}
}

// A long outage of a schedule of each second costs no more than a short one.
func TestALongOutage(t *testing.T) {
	r := newRig(t)
	s := r.scheduler("a")
	for _, catchUp := range []string{"none", "latest", "all"} {
		r.trigger(catchUp, `{schedule: "* * * * * *", catchUp: `+catchUp+`}`)
	}
	calls := 0
	for _, e := range r.entries {
		e.cron = counted{e.cron, &calls}
	}
	r.round(s, date("1996-05-04T12:00:00Z"))
	calls = 0
	got := r.round(s, date("2026-05-04T12:00:00Z"))
	count := map[string]int{}
	for _, f := range got {
		trigger, _, _ := strings.Cut(f, " ")
		count[trigger]++
	}
	if count["all"] != maxCatchUp || count["none"] != 31 || count["latest"] != 31 {
		t.Errorf("fired %v", count)
	}
	if got[maxCatchUp-1+31+31] == "" || calls > 5000 {
		t.Errorf("%d questions to the schedule", calls)
	}
	if last := got[len(got)-1]; !strings.HasSuffix(last, "2026-05-04T12:00:00Z") {
		t.Errorf("the last is %s", last)
	}
}

type counted struct {
	workflows.Schedule
	calls *int
}

func (c counted) Next(t time.Time) time.Time {
	*c.calls++
	return c.Schedule.Next(t)
}

// latest lists what going through all times one by one does.
func TestLatest(t *testing.T) {
	schedules := []string{"* * * * * *", "*/7 * * * *", "0 9 * * MON", "30 2 * * *", "0 0 1 * *", "* * 2 * * *", "@every 37m"}
	rapid.Check(t, func(t *rapid.T) {
		parsed, err := workflows.ParseSchedule(rapid.SampledFrom(schedules).Draw(t, "schedule"), "Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		e := &entry{cron: parsed}
		from := date("2026-03-20T00:00:00Z").Add(time.Duration(rapid.Int64Range(0, int64(20*24*time.Hour)).Draw(t, "from")))
		to := from.Add(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(36*time.Hour)).Draw(t, "length")))
		most := rapid.IntRange(1, 50).Draw(t, "most")
		var want []time.Time
		for at := parsed.Next(from); !at.After(to); at = parsed.Next(at) {
			want = append(want, at)
		}
		want = want[max(0, len(want)-most):]
		if got := e.latest(from, to, most); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("from %s to %s: %v, want %v", from, to, got, want)
		}
	})
}

func TestOverlap(t *testing.T) {
	at := func(minute int) time.Time {
		return date("2026-05-04T12:00:00Z").Add(time.Duration(minute) * time.Minute)
	}
	for _, overlap := range []string{"allow", "skip", "cancelPrevious"} {
		t.Run(overlap, func(t *testing.T) {
			r := newRig(t)
			s := r.scheduler("a")
			r.trigger("t", `{schedule: "* * * * *", catchUp: all, overlap: `+overlap+`}`)
			r.round(s, at(0))
			r.expect("first", r.round(s, at(1)), "t 2026-05-04T12:01:00Z")
			second := r.round(s, at(2))
			r.end("run1")
			third := r.round(s, at(3))
			switch overlap {
			case "allow":
				r.expect("beside the first", second, "t 2026-05-04T12:02:00Z")
				r.expect("after the first", third, "t 2026-05-04T12:03:00Z")
			case "skip":
				r.expect("beside the first", second)
				r.expect("after the first", third, "t 2026-05-04T12:03:00Z")
				r.expect("what was skipped is gone", r.round(s, at(3)))
			case "cancelPrevious":
				r.expect("instead of the first", second, "t 2026-05-04T12:02:00Z")
				r.expect("instead of the second", third, "t 2026-05-04T12:03:00Z")
				if got := strings.Join(r.canceled, " "); got != "run1 run2" {
					t.Errorf("canceled %s", got)
				}
				// One that ends while it is canceled is no error.
				r.end("run3")
				r.expect("after the third", r.round(s, at(4)), "t 2026-05-04T12:04:00Z")
			}
		})
	}
}

// Jitter is a fixed share, so that the distance between two starts stays; the time
// that a run is told is the schedule's.
func TestJitter(t *testing.T) {
	r := newRig(t)
	s := r.scheduler("a")
	r.trigger("t", `{schedule: "0 * * * *", jitter: 10m}`)
	shift := r.entries[0].jitter()
	if shift <= 0 || shift >= 10*time.Minute || shift != r.entries[0].jitter() {
		t.Fatalf("jitter %s", shift)
	}
	r.trigger("u", `{schedule: "0 * * * *", jitter: 10m}`)
	if other := r.entries[1].jitter(); other == shift {
		t.Errorf("two triggers have the same share %s", other)
	}
	r.entries = r.entries[:1]
	for hour := range 3 {
		due := date("2026-05-04T12:00:00Z").Add(time.Duration(hour)*time.Hour + shift)
		if hour > 0 {
			r.expect("early", r.round(s, due.Add(-time.Millisecond)))
		}
		got := r.round(s, due)
		if hour > 0 {
			r.expect("due", got, fmt.Sprintf("t 2026-05-04T1%d:00:00Z", 2+hour))
		}
	}
}

// Another schedule, zone or policy makes a new trigger of it, and so does going
// away and coming back. Other settings do not.
func TestAChangedTriggerIsNew(t *testing.T) {
	r := newRig(t)
	s := r.scheduler("a")
	r.trigger("t", `{schedule: "0 0 1 1 *", catchUp: all}`)
	r.round(s, date("2026-05-04T12:00:00Z"))
	r.trigger("t", `{schedule: "0 * * * *", catchUp: all}`)
	r.expect("another schedule", r.round(s, date("2026-05-04T18:00:01Z")))
	r.trigger("t", `{schedule: "0 * * * *", catchUp: all, timezone: Asia/Kolkata}`)
	r.expect("another zone", r.round(s, date("2026-05-04T23:40:00Z")))
	r.trigger("t", `{schedule: "0 * * * *", catchUp: none, timezone: Asia/Kolkata}`)
	r.round(s, date("2026-05-04T23:45:00Z"))
	r.trigger("t", `{schedule: "0 * * * *", catchUp: all, timezone: Asia/Kolkata}`)
	r.expect("another policy", r.round(s, date("2026-05-05T03:45:00Z")))

	r.trigger("t", `{schedule: "0 * * * *", catchUp: all, timezone: Asia/Kolkata, overlap: skip}`)
	r.expect("only the overlap", r.round(s, date("2026-05-05T04:30:05Z")), "t 2026-05-05T04:30:00Z")

	entries := r.entries
	r.entries = nil
	r.all = false
	r.round(s, date("2026-05-05T04:40:00Z"))
	if r.mark("t").Last.IsZero() {
		t.Error("forgotten while the configuration was away")
	}
	r.all = true
	r.round(s, date("2026-05-05T05:00:00Z"))
	if !r.mark("t").Last.IsZero() {
		t.Error("not forgotten")
	}
	r.entries = entries
	r.expect("back", r.round(s, date("2026-05-05T08:00:00Z")))
}

// What can't be started now is tried again; what can never be is passed over.
func TestFailures(t *testing.T) {
	r := newRig(t)
	s := r.scheduler("a")
	r.trigger("t", `{schedule: "* * * * *", catchUp: all}`)
	r.round(s, date("2026-05-04T12:00:00Z"))
	r.now = date("2026-05-04T12:02:00Z")
	for _, err := range []error{errAway, &schema.Problem{Status: 503, Type: schema.ProblemUnavailable}} {
		r.refuse(err)
		if _, err := s.round(t.Context()); err == nil || !strings.Contains(err.Error(), "default/w/t") {
			t.Errorf("%v", err)
		}
	}
	r.refuse(nil)
	r.expect("again", r.round(s, date("2026-05-04T12:02:01Z")), "t 2026-05-04T12:01:00Z", "t 2026-05-04T12:02:00Z")
	r.refuse(&schema.Problem{Status: 422, Type: schema.ProblemInvalid})
	r.expect("refused", r.round(s, date("2026-05-04T12:03:00Z")))
	r.refuse(nil)
	r.expect("not again", r.round(s, date("2026-05-04T12:03:01Z")))
	r.redis.SetError("ERR gone")
	if _, err := s.round(t.Context()); err == nil {
		t.Error("no error without Redis")
	}
}

// Two schedulers, one lease: the second takes over when the first is gone, and what
// both fire is fired once.
func TestLeaderChange(t *testing.T) {
	r := newRig(t)
	a, b := r.scheduler("a"), r.scheduler("b")
	r.trigger("t", `{schedule: "*/5 * * * * *"}`)
	ctx := t.Context()
	leads := func(s *Scheduler) bool {
		ok, err := lead(ctx, s.opts.Redis, s.opts.ID)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if !leads(a) || leads(b) || !leads(a) {
		t.Fatal("not one leader")
	}
	r.round(a, date("2026-05-04T12:00:00Z"))
	r.expect("a", r.round(a, date("2026-05-04T12:00:05Z")), "t 2026-05-04T12:00:05Z")
	// a is frozen; its lease runs out.
	r.redis.FastForward(leaseFor + time.Millisecond)
	if !leads(b) || leads(a) {
		t.Fatal("b did not take over")
	}
	r.expect("b", r.round(b, date("2026-05-04T12:00:15Z")), "t 2026-05-04T12:00:10Z", "t 2026-05-04T12:00:15Z")
	// a wakes and believes that it leads still: it read its marks before.
	for _, e := range r.entries {
		stale := `{"last":"2026-05-04T12:00:05Z","run":"run1","rule":"` + e.rule() + `"}`
		if _, err := a.one(ctx, e, stale); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.byKey) != 3 {
		t.Errorf("%d runs, want 3", len(r.byKey))
	}
	if err := resign(ctx, a.opts.Redis, "a"); err != nil || leads(a) {
		t.Error("a gave back what it did not have")
	}
	if err := resign(ctx, b.opts.Redis, "b"); err != nil || !leads(a) {
		t.Error("b did not give the lead back")
	}
}

// The loop fires by itself, follows changes, and gives the lead back at the end.
func TestLoop(t *testing.T) {
	r := newRig(t)
	a := r.scheduler("a")
	start := time.Now()
	// A clock that runs a thousand times as fast.
	fast := func() time.Time { return date("2026-05-04T12:00:00Z").Add(1000 * time.Since(start)) }
	a.opts.Now = fast
	var changed func()
	a.subscribe = func(f func()) func() { changed = f; return func() {} }
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.trigger("t", `{schedule: "* * * * * *"}`)
	changed()
	for range 3 {
		select {
		case <-r.told:
		case <-time.After(20 * time.Second):
			t.Fatal("nothing is fired")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := a.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if r.redis.Exists(leaseKey) {
		t.Error("the lease was not given back")
	}
}
