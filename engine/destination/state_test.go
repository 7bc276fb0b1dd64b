package destination

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"paragon/engine/notice"
	"paragon/schema"
	"paragon/schema/api"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func batchOf(source, id string, counts ...notice.Count) *notice.Batch {
	return &notice.Batch{Source: source, ID: id, Counts: counts}
}

func failures(workflow string, n int64, at time.Time) notice.Count {
	return notice.Count{Project: "default", Event: schema.EventRunFailed, Subject: workflow, Count: n, First: at, Last: at,
		Examples: []notice.Example{{At: at, Run: "r1", Message: "it broke"}}}
}

func all(notice.Count) bool { return true }

// The first failure is told after the wait; a storm is one message in each
// interval, and none is left out.
func TestAStormIsOneMessageAnInterval(t *testing.T) {
	const wait, interval = 10 * time.Second, 5 * time.Minute
	s := &state{Since: epoch}
	var made []time.Time
	var told int64
	for i := range 3600 { // an hour with 100 failures a second
		now := epoch.Add(time.Duration(i) * time.Second)
		s.merge(batchOf("lane", fmt.Sprint(i), failures("sync", 100, now)), all, now)
		s.make(fmt.Sprint("m", i), wait, interval, now)
		if p := s.claim(1, now.Add(time.Minute), now); p != nil {
			made, told = append(made, now), told+p.Events
			s.arrived(p.ID, attempt{status: 200}, now)
		}
	}
	if len(made) != 12 || made[0] != epoch.Add(wait) {
		t.Errorf("%d messages, the first at %s", len(made), made[0].Sub(epoch))
	}
	waiting := s.status().Waiting
	if told+waiting != 360_000 {
		t.Errorf("%d told and %d waiting of 360000", told, waiting)
	}
	if n := len(s.Groups[0].Examples); n != notice.Examples {
		t.Errorf("%d examples", n)
	}
}

// A far side that is away is tried on the fixed schedule until the destination
// is disabled; what happened meanwhile waits, and a resume tells all of it.
func TestAFarSideThatIsAway(t *testing.T) {
	s, now := &state{Since: epoch}, epoch
	s.merge(batchOf("lane", "1", failures("sync", 3, now)), all, now)
	now = now.Add(10 * time.Second)
	s.make("m1", 10*time.Second, time.Minute, now)
	var waits []string
	began, attempts := now, 0
	for s.Disabled.IsZero() {
		p := s.claim(1, now.Add(time.Minute), now)
		if p == nil {
			t.Fatalf("nothing to send at %s", now.Sub(began))
		}
		s.failed(p.ID, attempt{status: 503, err: "it answered 503"}, now)
		attempts++
		if s.Disabled.IsZero() {
			next := s.due(10*time.Second, time.Minute)
			waits = append(waits, next.Sub(now).String())
			now = next
		}
	}
	if got := strings.Join(waits[:8], " "); got != "5s 30s 2m0s 10m0s 30m0s 1h0m0s 1h0m0s 1h0m0s" {
		t.Errorf("the pauses are %s", got)
	}
	if d := now.Sub(began); d < GiveUp || d > GiveUp+time.Hour || attempts < 70 || attempts > 80 {
		t.Errorf("disabled after %s and %d attempts", d, attempts)
	}
	if got := s.status(); got.State != api.DestinationDisabled || !strings.Contains(got.Reason, "503") {
		t.Errorf("the status is %+v", got)
	}
	s.Untold = false
	for i := range 10 {
		now = now.Add(time.Hour)
		s.merge(batchOf("lane", fmt.Sprint("x", i), failures("sync", 5, now)), all, now)
		s.make("no", time.Second, time.Second, now)
		if s.claim(1, now, now) != nil || !s.due(time.Second, time.Second).IsZero() {
			t.Fatal("something is sent to a disabled destination")
		}
	}
	s.resume(now)
	if p := s.claim(1, now.Add(time.Minute), now); p == nil || p.ID != "m1" {
		t.Fatalf("a resume sends %+v", p)
	}
	s.arrived("m1", attempt{status: 200}, now)
	s.make("m2", time.Second, time.Second, now.Add(time.Second))
	if p := s.claim(1, now.Add(time.Minute), now.Add(time.Second)); p == nil || p.Events != 50 {
		t.Fatalf("what happened meanwhile is %+v", p)
	}
	if got := s.status(); got.State != api.DestinationActive || s.History[0].ID != "m1" || s.History[0].Attempts != attempts+1 {
		t.Errorf("%+v, %+v", got, s.History)
	}
}

func TestGoneDisablesAtOnce(t *testing.T) {
	s := &state{Since: epoch}
	s.merge(batchOf("lane", "1", failures("sync", 1, epoch)), all, epoch)
	s.make("m1", time.Second, time.Minute, epoch.Add(time.Second))
	s.failed("m1", attempt{status: 410, err: "it answered 410 Gone", gone: true}, epoch.Add(time.Second))
	if s.Disabled.IsZero() || !s.Untold {
		t.Errorf("not disabled: %+v", s)
	}
}

func TestATestIsSentOnceAndChangesNothing(t *testing.T) {
	s := &state{Since: epoch, Disabled: epoch, Failing: epoch}
	d := s.ask("t1", epoch)
	if p := s.claim(1, epoch.Add(time.Minute), epoch); p == nil || p.ID != d.ID || s.claim(1, epoch.Add(time.Minute), epoch) != nil {
		t.Fatal("a test is not sent once")
	}
	s.failed("t1", attempt{err: "no"}, epoch)
	if s.Test != nil || s.History[0].State != api.DeliveryFailed || s.Disabled.IsZero() {
		t.Errorf("%+v", s)
	}
	s.ask("t2", epoch)
	s.arrived("t2", attempt{status: 200}, epoch)
	if s.Disabled.IsZero() || s.History[0].State != api.DeliveryDelivered {
		t.Errorf("%+v", s)
	}
}

func TestWhatWasBeforeOrIsOfOthersIsNotTold(t *testing.T) {
	s := &state{Since: epoch}
	old, theirs, mine := failures("sync", 7, epoch.Add(-time.Second)), failures("other", 7, epoch), failures("sync", 1, epoch)
	only := func(c notice.Count) bool { return c.Subject == "sync" }
	s.merge(batchOf("lane", "1", old, theirs, mine), only, epoch)
	if got := s.status().Waiting; got != 1 {
		t.Errorf("%d are told", got)
	}
}

func TestManySubjectsShareAGroup(t *testing.T) {
	s := &state{Since: epoch}
	for i := range 1000 {
		s.merge(batchOf("lane", fmt.Sprint(i), failures(fmt.Sprint("w", i), 1, epoch)), all, epoch)
	}
	if len(s.Groups) > maxGroups+1 || s.status().Waiting != 1000 || s.Groups[len(s.Groups)-1].Subject != others {
		t.Errorf("%d groups, %d events", len(s.Groups), s.status().Waiting)
	}
}

// machine is a destination with what the world did to it.
type machine struct {
	s              *state
	now            time.Time
	wait, interval time.Duration
	noted, told    int64
	batches, ids   int
	made           []time.Time
}

// Whatever happens, in whatever order, each event is told exactly once by what
// arrives, messages keep their distance, and nothing waits for longer than it
// should while the far side answers.
func TestEveryEventIsToldOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{s: &state{Since: epoch}, now: epoch}
		m.wait = time.Duration(rapid.IntRange(1, 20).Draw(t, "wait")) * time.Second
		m.interval = time.Duration(rapid.IntRange(1, 600).Draw(t, "interval")) * time.Second
		var last *notice.Batch
		t.Repeat(map[string]func(*rapid.T){
			"fail": func(t *rapid.T) {
				m.batches++
				n := rapid.Int64Range(1, 1000).Draw(t, "n")
				last = batchOf(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "lane"), fmt.Sprint(m.batches), failures(rapid.SampledFrom([]string{"x", "y"}).Draw(t, "workflow"), n, m.now))
				m.s.merge(last, all, m.now)
				m.noted += n
			},
			"merge again": func(*rapid.T) {
				if last != nil {
					m.s.merge(last, all, m.now)
				}
			},
			"wait":   func(t *rapid.T) { m.now = m.now.Add(time.Duration(rapid.IntRange(1, 7200).Draw(t, "s")) * time.Second) },
			"resume": func(*rapid.T) { m.s.resume(m.now) },
			"send":   func(t *rapid.T) { m.send(rapid.SampledFrom([]string{"arrives", "fails", "dies"}).Draw(t, "outcome")) },
			"":       m.check,
		})
		m.s.resume(m.now)
		for range 4 {
			m.now = m.now.Add(m.wait + m.interval + claimFor)
			m.send("arrives")
		}
		if m.told != m.noted {
			t.Fatalf("%d of %d were told once the far side answered", m.told, m.noted)
		}
	})
}

func (m *machine) send(outcome string) {
	m.ids++
	before := m.s.Pending
	m.s.make(fmt.Sprint("m", m.ids), m.wait, m.interval, m.now)
	if before == nil && m.s.Pending != nil {
		m.made = append(m.made, m.now)
	}
	p := m.s.claim(1, m.now.Add(claimFor), m.now)
	if p == nil {
		return
	}
	switch outcome {
	case "arrives":
		m.told += p.Events
		m.s.arrived(p.ID, attempt{status: 200}, m.now)
		m.s.arrived(p.ID, attempt{status: 200}, m.now) // of another process
	case "fails":
		m.s.failed(p.ID, attempt{err: "no"}, m.now)
	}
}

func (m *machine) check(t *rapid.T) {
	held := m.s.status().Waiting
	if m.s.Pending != nil {
		held += m.s.Pending.Events
	}
	if m.told+held != m.noted {
		t.Fatalf("%d told and %d held of %d", m.told, held, m.noted)
	}
	for i := 1; i < len(m.made); i++ {
		if m.made[i].Sub(m.made[i-1]) < m.interval {
			t.Fatalf("messages %s apart, the interval is %s", m.made[i].Sub(m.made[i-1]), m.interval)
		}
	}
	if m.s.Pending == nil && len(m.s.Groups) > 0 && m.s.Disabled.IsZero() {
		if due := m.s.due(m.wait, m.interval); due.After(m.now.Add(max(m.wait, m.interval))) {
			t.Fatalf("the next message is not due for %s", due.Sub(m.now))
		}
	}
}
