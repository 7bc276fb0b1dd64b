package execution

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/daemon/embedded"
	"paragon/engine/logs"
	"paragon/engine/queue"
	"paragon/engine/record"
	"paragon/engine/servicetest"
	"paragon/schema"
)

// The conformance suite of the scripts: what one writes another reads, on a
// real Redis and on the one that `paragond dev` brings along.

// bed is a Redis with two workers' ledgers and a clock that the test moves.
type bed struct {
	t      testing.TB
	rdb    redis.UniversalClient
	clock  time.Time
	one    *ledger
	two    *ledger
	keeper *ledger
}

// onEach runs a test on each kind of Redis.
func onEach(t *testing.T, f func(t *testing.T, b *bed)) {
	for name, url := range map[string]func(t *testing.T) string{
		"redis": func(t *testing.T) string { return "redis://" + servicetest.Redis(t) },
		"miniredis": func(t *testing.T) string {
			r, err := embedded.StartRedis(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(r.Close)
			return r.URL()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb, err := queue.NewRedis(url(t), queue.RedisOptions{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = rdb.Close() })
			f(t, newBed(t, rdb))
		})
	}
}

func newBed(t testing.TB, rdb redis.UniversalClient) *bed {
	b := &bed{t: t, rdb: rdb, clock: time.UnixMilli(1_760_000_000_000)}
	now := func() time.Time { return b.clock }
	b.one, b.two, b.keeper = newLedger(rdb, 1, "one", now), newLedger(rdb, 1, "two", now), newLedger(rdb, 1, "", now)
	return b
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) lane() *lane { return b.one.lanes[0] }

// accept accepts a run with an id of its own, or the given one.
func (b *bed) accept(a acceptance) accepted {
	b.t.Helper()
	if a.id == "" {
		a.id = NewRunID(b.clock, 0)
	}
	if a.priority == "" {
		a.priority = schema.PriorityNormal
	}
	if a.project == "" {
		a.project = "default"
	}
	if a.fields == nil {
		a.fields = []any{fieldStart, `{"project":"default","workflow":"w","createdAt":"2025-10-09T08:53:20Z"}`}
	}
	got, err := b.one.acceptAll(b.t.Context(), b.lane(), []acceptance{a})
	b.must(err)
	return got[0]
}

// claim claims runs of a priority and returns those it got.
func (b *bed) claim(l *ledger, p schema.Priority, limit int) []*state {
	b.t.Helper()
	got, err := l.claim(b.t.Context(), b.lane(), p, limit)
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

// running accepts a run and gives it to a worker.
func (b *bed) running(l *ledger) *state {
	b.t.Helper()
	b.accept(acceptance{})
	got := b.claim(l, schema.PriorityNormal, 1)
	if len(got) != 1 {
		b.t.Fatalf("claimed %d runs; want 1", len(got))
	}
	return got[0]
}

func (b *bed) commit(l *ledger, c commit) int {
	b.t.Helper()
	codes, err := l.commitAll(b.t.Context(), b.lane(), []*commit{&c})
	b.must(err)
	if len(codes) != 1 {
		b.t.Fatalf("%d codes for one commit", len(codes))
	}
	return codes[0]
}

// now is a run as Redis has it; nil when it does not.
func (b *bed) now(id string) *state {
	b.t.Helper()
	s, err := b.one.load(b.t.Context(), id)
	b.must(err)
	return s
}

func (b *bed) expect(id string, status schema.RunStatus) *state {
	b.t.Helper()
	s := b.now(id)
	switch {
	case s == nil && status != "":
		b.t.Fatalf("run %s is gone; want it %s", id, status)
	case s != nil && s.status != status:
		b.t.Fatalf("run %s is %s; want %q", id, s.status, status)
	}
	return s
}

// members reads a set, a sorted set or the fields of a hash of the lane; of
// "queued:normal" what is queued with that priority.
func (b *bed) members(name string) []string {
	b.t.Helper()
	if p, ok := strings.CutPrefix(name, "queued:"); ok {
		ids, err := b.one.queued(b.t.Context(), b.lane(), schema.Priority(p), 100_000)
		b.must(err)
		slices.Sort(ids)
		return ids
	}
	key := b.lane().key + ":" + name
	kind, err := b.rdb.Type(b.t.Context(), key).Result()
	b.must(err)
	var all []string
	switch kind {
	case "set":
		all, err = b.rdb.SMembers(b.t.Context(), key).Result()
	case "zset":
		all, err = b.rdb.ZRange(b.t.Context(), key, 0, -1).Result()
	case "hash":
		all, err = b.rdb.HKeys(b.t.Context(), key).Result()
	}
	b.must(err)
	slices.Sort(all)
	return all
}

func (b *bed) expectMembers(name string, want ...string) {
	b.t.Helper()
	slices.Sort(want)
	if got := b.members(name); !slices.Equal(got, want) {
		b.t.Errorf("%s holds %v; want %v", name, got, want)
	}
}

// stepText is a step's record as Redis holds it.
func stepText(path string) string {
	raw, err := record.AppendStep(nil, &schema.StepRecord{Path: path, Step: path, Status: schema.StepSucceeded})
	if err != nil {
		panic(err) // nothing in it can fail
	}
	return string(raw)
}

// rows reads the rows of the lane's log.
func (b *bed) rows() map[string]string {
	b.t.Helper()
	entries, err := b.rdb.XRange(b.t.Context(), logs.RowsKey(0), "-", "+").Result()
	b.must(err)
	rows := map[string]string{}
	for _, e := range entries {
		value, _ := e.Values["rows"].(string)
		for row, err := range logs.Rows(value) {
			b.must(err)
			if _, twice := rows[row.Key]; twice {
				b.t.Errorf("the log has %q twice", row.Key)
			}
			rows[row.Key] = row.Record
		}
	}
	return rows
}

func TestAccept(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		id := NewRunID(b.clock, 0)
		if got := b.accept(acceptance{id: id, idem: "key", priority: schema.PriorityHigh}); got.code != acceptNew || got.id != id {
			t.Errorf("a new run: %+v", got)
		}
		b.expect(id, schema.RunQueued)
		b.expectMembers("queued:high", id)
		b.expectMembers("live", id)
		// The same call after a lost reply needs a job still: the first may have
		// ended between the script and the queue.
		if got := b.accept(acceptance{id: id, idem: "key", priority: schema.PriorityHigh}); got.code != acceptNew || got.id != id {
			t.Errorf("the same call again: %+v", got)
		}
		other := NewRunID(b.clock, 0)
		if got := b.accept(acceptance{id: other, idem: "key"}); got.code != acceptKnown || got.id != id {
			t.Errorf("another run with the key: %+v; want the first", got)
		}
		b.expect(other, "")
		if ttl, err := b.rdb.TTL(t.Context(), b.lane().key+":idem:key").Result(); err != nil || ttl <= 23*time.Hour || ttl > idempotencyTTL {
			t.Errorf("the key is kept for %v (%v)", ttl, err)
		}
		// A call that is so late that the run has ended and gone begins nothing.
		b.must(b.rdb.Del(t.Context(), b.lane().key+":run:"+id).Err())
		if got := b.accept(acceptance{id: id, idem: "key"}); got.code != acceptKnown || got.id != id {
			t.Errorf("the same call after the run: %+v", got)
		}
		b.expect(id, "")
	})
}

func TestAcceptManyAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		reqs := make([]acceptance, maxAccepts)
		for i := range reqs {
			reqs[i] = acceptance{id: NewRunID(b.clock, 0), project: "default", priority: queue.Priorities()[i%3], idem: fmt.Sprint("key", i/2),
				fields: []any{fieldStart, fmt.Sprintf(`{"workflow":"w%d"}`, i), "s:a", stepText("a")}}
		}
		got, err := b.one.acceptAll(t.Context(), b.lane(), reqs)
		b.must(err)
		for i, a := range got {
			want := accepted{code: acceptNew, id: reqs[i].id}
			if i%2 == 1 { // its key is that of the one before it
				want = accepted{code: acceptKnown, id: reqs[i-1].id}
			}
			if a != want {
				t.Errorf("run %d: %+v; want %+v", i, a, want)
			}
		}
		if s := b.expect(reqs[2].id, schema.RunQueued); s.start.Workflow != "w2" || len(s.steps) != 1 {
			t.Errorf("run 2 is %+v", s)
		}
	})
}

func TestAcceptRefusesAtTheLogLimit(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		b.one.logLimit = 100
		b.must(b.rdb.Set(t.Context(), b.lane().key+":logbytes", 99, 0).Err())
		below := b.accept(acceptance{idem: "key"})
		if below.code != acceptNew {
			t.Fatalf("below the limit: %+v", below)
		}
		b.must(b.rdb.Set(t.Context(), b.lane().key+":logbytes", 100, 0).Err())
		id := NewRunID(b.clock, 0)
		if got := b.accept(acceptance{id: id}); got.code != acceptRefused {
			t.Errorf("at the limit: %+v", got)
		}
		b.expect(id, "")
		// What was accepted before is answered for.
		if got := b.accept(acceptance{idem: "key"}); got.code != acceptKnown || got.id != below.id {
			t.Errorf("a known key at the limit: %+v", got)
		}
		b.must(b.rdb.DecrBy(t.Context(), b.lane().key+":logbytes", 1).Err())
		if got := b.accept(acceptance{id: id}); got.code != acceptNew {
			t.Errorf("below the limit again: %+v", got)
		}
	})
}

func TestClaim(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		a, c := b.accept(acceptance{}).id, b.accept(acceptance{priority: schema.PriorityLow}).id
		got := b.claim(b.one, schema.PriorityNormal, 5) // more than there are
		got = append(got, b.claim(b.one, schema.PriorityLow, 1)...)
		if len(got) != 2 || got[0].id != a || got[1].id != c {
			t.Fatalf("claimed %+v", got)
		}
		if got[0].worker != "" && got[0].worker != "one" || got[0].status != schema.RunRunning || !got[0].startedAt.Equal(b.clock) {
			t.Errorf("the claimed run is %+v", got[0])
		}
		if again := append(b.claim(b.two, schema.PriorityNormal, 5), b.claim(b.two, schema.PriorityLow, 5)...); len(again) != 0 {
			t.Errorf("a running run was claimed again: %+v", again)
		}
		b.expectMembers("queued:normal")
		b.expectMembers("queued:low")
		b.expectMembers("claims:one", a, c)
		s := b.expect(a, schema.RunRunning)
		if s.worker != "one" || s.fence != got[0].fence {
			t.Errorf("the run in Redis is %+v; its claim said fence %d", s, got[0].fence)
		}
		if started := got[0].startedAt; true {
			b.clock = b.clock.Add(time.Second)
			b.commit(b.one, commit{id: a, fence: s.fence, way: way{kind: wayRelease}})
			if again := b.claim(b.two, schema.PriorityNormal, 1); len(again) != 1 || !again[0].startedAt.Equal(started) || again[0].fence <= s.fence {
				t.Errorf("claimed again: %+v; want a later fence and the first start", again)
			}
		}
	})
}

// A project with many queued runs does not keep another's waiting, and one of
// weight 3 gets three times as much while both have some.
func TestProjectsTakeTurns(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		weights := func() []any { return []any{"heavy", 3} }
		b.one.weights, b.two.weights = weights, weights
		project := map[string]string{}
		accept := func(name string, n int) {
			for range n {
				project[b.accept(acceptance{project: name}).id] = name
			}
		}
		claimed := func(n int) map[string]int {
			got := map[string]int{}
			for _, s := range b.claim(b.one, schema.PriorityNormal, n) {
				got[project[s.id]]++
			}
			return got
		}
		accept("flood", 400)
		if got := claimed(100); got["flood"] != 100 {
			t.Fatalf("alone: %v", got)
		}
		// What comes later is level at once, and does not pay for what was before.
		accept("small", 10)
		if got := claimed(20); got["small"] != 10 || got["flood"] != 10 {
			t.Errorf("beside a flood: %v", got)
		}
		accept("heavy", 90)
		if got := claimed(40); got["heavy"] != 30 || got["flood"] != 10 {
			t.Errorf("three to one: %v", got)
		}
		// One permit at a time comes to the same.
		single := map[string]int{}
		for range 40 {
			for name, n := range claimed(1) {
				single[name] += n
			}
		}
		if single["heavy"] != 30 || single["flood"] != 10 {
			t.Errorf("three to one, one by one: %v", single)
		}
		if got := claimed(1000); got["flood"] != 270 || got["heavy"] != 30 {
			t.Errorf("the rest: %v", got)
		}
		if v, err := b.keeper.view(t.Context(), b.lane()); err != nil || v.queues[schema.PriorityNormal].runs != 0 {
			t.Errorf("left: %+v %v", v, err)
		}
	})
}

func TestLook(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		workers := []WorkerInfo{{ID: b.one.worker}, {ID: b.two.worker}}
		busy := func(want bool) {
			t.Helper()
			if got, err := b.keeper.anyBusy(t.Context(), workers); got != want || err != nil {
				t.Errorf("busy: %v, %v; want %v", got, err, want)
			}
		}
		busy(false)
		first := b.accept(acceptance{}).id
		since := b.clock
		b.clock = b.clock.Add(time.Second)
		b.accept(acceptance{project: "other"})
		b.accept(acceptance{priority: schema.PriorityHigh})
		busy(true)
		views, err := b.keeper.views(t.Context())
		b.must(err)
		want := map[schema.Priority]queueView{
			schema.PriorityHigh:   {runs: 1, oldest: b.clock.UTC(), next: views[0].queues[schema.PriorityHigh].next},
			schema.PriorityNormal: {runs: 2, oldest: since.UTC(), next: first}, schema.PriorityLow: {},
		}
		if !maps.Equal(views[0].queues, want) {
			t.Errorf("queues: %+v; want %+v", views[0].queues, want)
		}
	})
}

func TestCommitOfAnotherIsRefused(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		s := b.running(b.one)
		row := []field{{name: "s:a", value: `{"path":"a"}`, row: stepRow, seq: 1}}
		for name, c := range map[string]struct {
			by     *ledger
			commit commit
		}{
			"an older fence":  {b.one, commit{id: s.id, fence: s.fence - 1, fields: row, way: way{kind: wayGo}}},
			"another worker":  {b.two, commit{id: s.id, fence: s.fence, fields: row, way: way{kind: wayEnd, state: schema.RunFailed}}},
			"an unknown run":  {b.one, commit{id: NewRunID(b.clock, 0), fence: s.fence, fields: row, way: way{kind: wayGo}}},
			"a fence to come": {b.one, commit{id: s.id, fence: s.fence + 1, fields: row, way: way{kind: wayPark, wake: b.clock}}},
		} {
			if code := b.commit(c.by, c.commit); code != commitRefused {
				t.Errorf("%s: code %d; want refused", name, code)
			}
		}
		if got := b.expect(s.id, schema.RunRunning); len(got.steps) != 0 {
			t.Errorf("a refused commit wrote %+v", got.steps)
		}
		if rows := b.rows(); len(rows) != 0 {
			t.Errorf("a refused commit logged %v", rows)
		}
		b.expectMembers("live", s.id)
	})
}

func TestCommitIsAppliedOnce(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		s := b.running(b.one)
		b.must(b.rdb.HSet(t.Context(), b.lane().key+":run:"+s.id, "i:1", `{"kind":"event"}`).Err())
		c := commit{id: s.id, project: "default", fence: s.fence, serial: 0, way: way{kind: wayGo}, fields: []field{
			{name: "s:a", value: stepText("a"), row: stepRow, seq: 1},
			{name: "x:a", value: "sealed"},
			{name: "i:1"}, // removed
			{name: "s:b", value: stepText("b"), row: stepRow, seq: 2},
		}}
		for range 3 {
			if code := b.commit(b.one, c); code != commitDone {
				t.Fatalf("code %d; want done", code)
			}
		}
		got := b.expect(s.id, schema.RunRunning)
		if len(got.steps) != 2 || string(got.sealed["a"]) != "sealed" || len(got.mail) != 0 {
			t.Errorf("the run is %+v", got)
		}
		rows := b.rows()
		if len(rows) != 2 || rows["s default "+s.id+" 1"] != stepText("a") || rows["s default "+s.id+" 2"] != stepText("b") {
			t.Errorf("the log is %v", rows)
		}
		want := len(logs.AppendStep(logs.AppendStep(nil, "default", s.id, 1, stepText("a")), "default", s.id, 2, stepText("b")))
		if n, err := b.rdb.Get(t.Context(), b.lane().key+":logbytes").Int(); err != nil || n != want {
			t.Errorf("%d bytes of log wait (%v); want %d", n, err, want)
		}
	})
}

// Commits that write much together go by several scripts, each with an entry of
// the log of its own, and all are answered.
func TestCommitsOfMuchAreSplit(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		large := strings.Repeat("x", maxCommitted/2)
		var reqs []*commit
		for _, value := range []string{"a", large, large, "b"} {
			s := b.running(b.one)
			reqs = append(reqs, &commit{id: s.id, project: "default", fence: s.fence, way: way{kind: wayGo},
				fields: []field{{name: "s:a", value: value, row: stepRow, seq: 1}}})
		}
		for range 2 { // the second is the same call after a lost reply
			codes, err := b.one.commitAll(t.Context(), b.lane(), reqs)
			b.must(err)
			if !slices.Equal(codes, []int{commitDone, commitDone, commitDone, commitDone}) {
				t.Fatalf("the codes are %v", codes)
			}
		}
		if n, err := b.rdb.XLen(t.Context(), logs.RowsKey(0)).Result(); err != nil || n != 2 {
			t.Errorf("the log has %d entries (%v); want 2", n, err)
		}
		rows := b.rows()
		for _, c := range reqs {
			if got := rows["s default "+c.id+" 1"]; got != c.fields[0].value {
				t.Errorf("the row of run %s has %d bytes; want %d", c.id, len(got), len(c.fields[0].value))
			}
		}
	})
}

func TestCommitParks(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		sub := b.rdb.Subscribe(t.Context(), queue.TimerChannel(0))
		defer sub.Close()
		_, err := sub.Receive(t.Context())
		b.must(err)
		s := b.running(b.one)
		wake := b.clock.Add(1500*time.Millisecond + 1) // a nanosecond more is a millisecond more
		park := commit{id: s.id, fence: s.fence, way: way{kind: wayPark, wake: wake}}
		for range 2 {
			if code := b.commit(b.one, park); code != commitDone {
				t.Fatalf("code %d; want done", code)
			}
		}
		got := b.expect(s.id, schema.RunWaiting)
		if want := b.clock.Add(1501 * time.Millisecond); !got.waitUntil.Equal(want) || got.worker != "" {
			t.Errorf("parked until %v by %q; want %v and nobody", got.waitUntil, got.worker, want)
		}
		b.expectMembers("claims:one")
		b.expectMembers("timers", s.id)
		msg, err := sub.ReceiveMessage(t.Context())
		b.must(err)
		if want := queue.TimerRing(0, b.clock.Add(1501*time.Millisecond)); msg.Payload != want {
			t.Errorf("the bell of the timers rang %q; want %q", msg.Payload, want)
		}
	})
}

func TestCommitDoesNotParkOverASignal(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		s := b.running(b.one)
		park := commit{id: s.id, fence: s.fence, way: way{kind: wayPark, wake: b.clock.Add(time.Hour), seen: 0}}
		if code, _, err := b.keeper.tell(t.Context(), s.id, []byte(`{"kind":"event"}`), "e1"); err != nil || code != signalSeen {
			t.Fatalf("tell a running run: %d, %v", code, err)
		}
		for range 2 { // the second is the same call after a lost reply
			if code := b.commit(b.one, park); code != commitSignals {
				t.Fatalf("code %d; want signals", code)
			}
		}
		got := b.expect(s.id, schema.RunRunning)
		if len(got.mail) != 1 || got.signalCount != 1 {
			t.Fatalf("the mailbox is %+v", got)
		}
		park.serial, park.way.seen = 1, got.signalCount
		if code := b.commit(b.one, park); code != commitDone {
			t.Fatalf("code %d; want done", code)
		}
		b.expect(s.id, schema.RunWaiting)
	})
}

func TestCommitEnds(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		told := b.rdb.Subscribe(t.Context(), b.lane().key+":told")
		defer told.Close()
		_, err := told.Receive(t.Context())
		b.must(err)
		s := b.running(b.one)
		end := commit{id: s.id, fence: s.fence, way: way{kind: wayEnd, state: schema.RunSucceeded, tell: `{"caller":{}}`}, fields: []field{
			{name: fieldEnd, value: `{"status":"succeeded"}`, row: runRow},
		}}
		for range 2 {
			if code := b.commit(b.one, end); code != commitDone {
				t.Fatalf("code %d; want done", code)
			}
		}
		b.expect(s.id, schema.RunSucceeded)
		b.expectMembers("claims:one")
		b.expectMembers("untold", s.id)
		b.expectMembers("live", s.id) // until its log is in the store
		if rows := b.rows(); rows["r "+s.id] != `{"status":"succeeded"}` {
			t.Errorf("the log is %v", rows)
		}
		msg, err := told.ReceiveMessage(t.Context())
		b.must(err)
		if msg.Payload != s.id {
			t.Errorf("told of %q", msg.Payload)
		}
		if got := b.claim(b.two, schema.PriorityNormal, 5); len(got) != 0 {
			t.Errorf("an ended run was claimed: %+v", got)
		}
		if code, _, err := b.keeper.tell(t.Context(), s.id, []byte(`{}`), ""); err != nil || code != signalEnded {
			t.Errorf("tell an ended run: %d, %v", code, err)
		}
	})
}

func TestSignal(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		tell := func(id, same string) (int, schema.Priority) {
			code, priority, err := b.keeper.tell(t.Context(), id, []byte(`{"kind":"cancel"}`), same)
			b.must(err)
			return code, priority
		}
		if code, _ := tell(NewRunID(b.clock, 0), ""); code != signalUnknown {
			t.Errorf("an unknown run: %d", code)
		}
		if code, _ := tell("no id", ""); code != signalUnknown {
			t.Errorf("no run's id: %d", code)
		}
		id := b.accept(acceptance{priority: schema.PriorityHigh}).id
		if code, _ := tell(id, "x"); code != signalSeen {
			t.Errorf("a queued run: %d", code)
		}
		s := b.claim(b.one, schema.PriorityHigh, 1)[0]
		if len(s.mail) != 1 {
			t.Errorf("the claimed run's mailbox: %+v", s.mail)
		}
		b.commit(b.one, commit{id: id, fence: s.fence, way: way{kind: wayPark, wake: b.clock.Add(time.Hour), seen: 1}})
		if code, _ := tell(id, "x"); code != signalSeen {
			t.Errorf("the same signal again: %d", code)
		}
		b.expect(id, schema.RunWaiting)
		if code, priority := tell(id, "y"); code != signalQueued || priority != schema.PriorityHigh {
			t.Errorf("a waiting run: %d, %s", code, priority)
		}
		b.expect(id, schema.RunQueued)
		b.expectMembers("timers")
		b.expectMembers("queued:high", id)
		if s := b.now(id); len(s.mail) != 2 || s.signalCount != 2 {
			t.Errorf("the mailbox is %+v (%d)", s.mail, s.signalCount)
		}
	})
}

func TestWake(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		var ids []string
		for i := range 5 {
			s := b.running(b.one)
			ids = append(ids, s.id)
			b.commit(b.one, commit{id: s.id, fence: s.fence, way: way{kind: wayPark, wake: b.clock.Add(time.Duration(i+1) * time.Second)}})
		}
		next, jobs, err := b.keeper.due(t.Context(), b.lane(), b.clock.Add(999*time.Millisecond), 10)
		b.must(err)
		if len(jobs) != 0 || !next.Equal(b.clock.Add(time.Second)) {
			t.Errorf("before its time: %v, next %v", jobs, next)
		}
		next, jobs, err = b.keeper.due(t.Context(), b.lane(), b.clock.Add(4*time.Second), 3)
		b.must(err)
		if len(jobs) != 3 || jobs[0] != (job{ids[0], schema.PriorityNormal}) || !next.Equal(b.clock.Add(4*time.Second)) {
			t.Errorf("three of four that are due: %v, next %v", jobs, next)
		}
		b.expect(ids[2], schema.RunQueued)
		b.expect(ids[3], schema.RunWaiting)
		_, _, err = b.keeper.due(t.Context(), b.lane(), b.clock.Add(time.Hour), 10)
		b.must(err)
		next, jobs, err = b.keeper.due(t.Context(), b.lane(), b.clock.Add(time.Hour), 10)
		b.must(err)
		if len(jobs) != 0 || !next.IsZero() {
			t.Errorf("nothing left: %v, next %v", jobs, next)
		}
	})
}

func TestReap(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		mine, parked, other := b.running(b.one), b.running(b.one), b.running(b.two)
		b.commit(b.one, commit{id: parked.id, fence: parked.fence, way: way{kind: wayPark, wake: b.clock.Add(time.Hour)}})
		jobs, err := b.keeper.takeBack(t.Context(), b.lane(), "one", true, 10)
		b.must(err)
		if len(jobs) != 1 || jobs[0].id != mine.id {
			t.Fatalf("took back %v; want %s", jobs, mine.id)
		}
		s := b.expect(mine.id, schema.RunQueued)
		if s.recoveries != 1 || s.total != 1 || s.worker != "" {
			t.Errorf("the run is %+v", s)
		}
		b.expect(parked.id, schema.RunWaiting)
		b.expect(other.id, schema.RunRunning)
		// What the dead one still wants to write is not written.
		if code := b.commit(b.one, commit{id: mine.id, fence: mine.fence, way: way{kind: wayGo}}); code != commitRefused {
			t.Errorf("the dead worker's commit: %d; want refused", code)
		}
		// Progress forgives, the total stays.
		again := b.claim(b.two, schema.PriorityNormal, 1)[0]
		if again.recoveries != 1 {
			t.Errorf("claimed again: %+v", again)
		}
		b.commit(b.two, commit{id: again.id, fence: again.fence, fields: []field{{name: fieldRecovered}}, way: way{kind: wayGo}})
		if s := b.now(mine.id); s.recoveries != 0 || s.total != 1 {
			t.Errorf("after progress: %d recoveries, %d in all", s.recoveries, s.total)
		}
		// Of named ones only those that the worker has; without blame none counts.
		jobs, err = b.keeper.takeBack(t.Context(), b.lane(), "two", false, 10, other.id, parked.id)
		b.must(err)
		if len(jobs) != 1 || jobs[0].id != other.id {
			t.Errorf("took back %v; want %s", jobs, other.id)
		}
		if s := b.expect(other.id, schema.RunQueued); s.recoveries != 0 || s.total != 0 {
			t.Errorf("taken back without blame: %+v", s)
		}
	})
}

// TestWhoAwaitsItsTrialIsNotBlamed has workers die that look at a run whose trial
// has not begun: once it did not kill, twice it may have.
func TestWhoAwaitsItsTrialIsNotBlamed(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		run := b.running(b.one)
		b.commit(b.one, commit{id: run.id, fence: run.fence, fields: []field{{name: fieldAwaits, value: "1"}}, way: way{kind: wayPark, wake: b.clock.Add(time.Second)}})
		_, _, err := b.keeper.due(t.Context(), b.lane(), b.clock.Add(time.Minute), 10)
		b.must(err)
		for total, blamed := range []int{0, 0, 1} {
			now := b.claim(b.one, schema.PriorityNormal, 1)[0]
			if now.recoveries != blamed || now.total != total || now.awaits != (total == 0) {
				t.Errorf("after %d takeovers: %d blamed, %d in all, it awaits: %v", total, now.recoveries, now.total, now.awaits)
			}
			_, err := b.keeper.takeBack(t.Context(), b.lane(), "one", true, 10)
			b.must(err)
		}
	})
}

func TestPublishAndListen(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		key := []string{eventsKey("default")}
		behind := time.Now().Add(-time.Hour) // the publisher's clock
		publish := func(name, id string, most int) []string {
			ids, err := publishScript.Run(t.Context(), b.rdb, key, ms(behind), name, id, `{"id":"`+id+`"}`, time.Hour.Milliseconds(), most).StringSlice()
			b.must(err)
			slices.Sort(ids)
			return ids
		}
		now, err := b.rdb.Time(t.Context()).Result() // and no clock of ours
		b.must(err)
		came := func(id string, before time.Duration) {
			b.must(b.rdb.ZAdd(t.Context(), key[0]+":recent:a", redis.Z{Score: float64(now.Add(-before).UnixMilli()), Member: `{"id":"` + id + `"}`}).Err())
		}
		listen := func(name, run string, since time.Time) []string {
			events, err := listenScript.Run(t.Context(), b.rdb, key, name, run, ms(since)).StringSlice()
			b.must(err)
			return events
		}
		came("0", 2*time.Hour)
		came("1", time.Second)
		if got := publish("a", "2", 3); len(got) != 0 {
			t.Errorf("nobody waits, and %v is told", got)
		}
		publish("a", "2", 3) // the same event
		publish("other", "9", 3)
		if got := listen("a", "run", now.Truncate(time.Millisecond)); !slices.Equal(got, []string{`{"id":"2"}`}) {
			t.Errorf("events since: %v", got)
		}
		if got := listen("a", "run", time.UnixMilli(0)); !slices.Equal(got, []string{`{"id":"1"}`, `{"id":"2"}`}) {
			t.Errorf("old events are gone: %v", got)
		}
		if got := publish("a", "3", 3); !slices.Equal(got, []string{"run"}) {
			t.Errorf("told %v; want the one that waits", got)
		}
		publish("a", "4", 3)
		if got := listen("a", "run", time.UnixMilli(0)); len(got) != 3 || slices.Contains(got, `{"id":"1"}`) {
			t.Errorf("of four events the newest three are kept: %v", got)
		}
	})
}

func TestHeartbeats(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		b.must(beat(ctx, b.rdb, "alive"))
		b.must(b.rdb.ZAdd(ctx, workersKey, redis.Z{Score: float64(time.Now().Add(-time.Minute).UnixMilli()), Member: "dead"}).Err())
		silent, err := silentWorkers(ctx, b.rdb)
		b.must(err)
		if !slices.Equal(silent, []string{"dead"}) {
			t.Errorf("silent: %v", silent)
		}
		all, err := Workers(ctx, b.rdb)
		b.must(err)
		if len(all) != 2 || time.Since(all[1].LastSeen) > time.Minute {
			t.Errorf("workers: %+v", all)
		}
		b.must(leaveWorkers(ctx, b.rdb, "dead"))
		silent, err = silentWorkers(ctx, b.rdb)
		b.must(err)
		if len(silent) != 0 {
			t.Errorf("silent: %v", silent)
		}
	})
}

// TestScriptsComeBack empties Redis' cache of scripts: each is sent again.
func TestScriptsComeBack(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		s := b.running(b.one)
		b.must(b.rdb.ScriptFlush(context.WithoutCancel(t.Context())).Err())
		if code := b.commit(b.one, commit{id: s.id, fence: s.fence, way: way{kind: wayRelease}}); code != commitDone {
			t.Errorf("code %d", code)
		}
		b.expectMembers("queued:normal", s.id)
	})
}
