package execution

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"paragon/engine/logs"
	"paragon/engine/queue"
	"paragon/schema"
)

// TestLedgerFollowsItsModel plays random calls of two workers and a keeper,
// whose clocks jump, whose replies are lost and who go on with runs that were
// taken from them, and compares Redis with a model after each.
func TestLedgerFollowsItsModel(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		steady := context.WithoutCancel(t.Context())
		rapid.Check(t, func(rt *rapid.T) {
			b.must(b.rdb.FlushAll(steady).Err())
			m := &model{t: rt, ctx: steady, b: newBed(t, b.rdb), runs: map[string]*modelRun{},
				queues: map[string][]string{}, had: map[schema.Priority]map[string]float64{}, keys: map[string]string{}, log: map[string]string{}}
			weights := func() []any { return []any{"heavy", 3} }
			m.b.one.weights, m.b.two.weights = weights, weights
			rt.Repeat(map[string]func(*rapid.T){
				"accept": m.accept, "claim": m.claim, "commit": m.commit, "repeat": m.repeat,
				"tell": m.tell, "wake": m.wake, "take back": m.takeBack, "clock": m.moveClock,
				"": func(*rapid.T) { m.check() },
			})
		})
	})
}

// model is what Redis should hold.
type model struct {
	t    *rapid.T
	ctx  context.Context
	b    *bed
	ids  []string
	runs map[string]*modelRun
	// queues are the ids in order, by priority and project; had is what each
	// project has had of a priority, of those that have a turn.
	queues map[string][]string
	had    map[schema.Priority]map[string]float64
	keys   map[string]string // idempotency key to run
	log    map[string]string
	rows   int
	logged int // bytes of rows in the log
	// held are the segments that workers believe to have, also those that were
	// taken from them.
	held []*modelSegment
	last *sent
}

type modelRun struct {
	status   schema.RunStatus
	priority schema.Priority
	project  string
	worker   string
	fence    int64
	signals  map[string]bool
	count    int64
	wake     int64 // ms
	fields   map[string]string
	recent   int
	total    int
	untold   bool
}

// modelSegment is a run as its worker knows it.
type modelSegment struct {
	ledger *ledger
	id     string
	fence  int64
	serial int
	seen   int64
}

// sent is a commit with its answer.
type sent struct {
	ledger *ledger
	commit commit
	code   int
}

func (m *model) must(err error) {
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) moveClock(t *rapid.T) {
	// Back, too: the clocks of machines are set.
	m.b.clock = m.b.clock.Add(time.Duration(rapid.Int64Range(-3000, 10_000).Draw(t, "ms")) * time.Millisecond)
}

func (m *model) accept(t *rapid.T) {
	a := acceptance{
		id: NewRunID(m.b.clock, 0), priority: rapid.SampledFrom(queue.Priorities()).Draw(t, "priority"),
		project: rapid.SampledFrom(modelProjects).Draw(t, "project"), fields: []any{fieldStart, `{"workflow":"w"}`},
	}
	if rapid.Bool().Draw(t, "with a key") {
		a.idem = rapid.SampledFrom([]string{"k1", "k2", "k3"}).Draw(t, "key")
	}
	if len(m.ids) > 0 && rapid.Bool().Draw(t, "again") {
		a.id = rapid.SampledFrom(m.ids).Draw(t, "run")
	}
	full := rapid.Bool().Draw(t, "log is full") && m.logged > 0
	m.b.one.logLimit = 0
	if full {
		m.b.one.logLimit = int64(m.logged)
	}
	got, err := m.b.one.acceptAll(m.ctx, m.b.lane(), []acceptance{a})
	m.must(err)
	want := accepted{code: acceptNew, id: a.id}
	holder := m.keys[a.idem]
	switch {
	case a.idem != "" && holder != "" && holder != a.id:
		want = accepted{code: acceptKnown, id: holder}
	case m.runs[a.id] != nil:
		if m.runs[a.id].status == schema.RunWaiting {
			want.code = acceptWaits // nothing to queue
		}
	case full:
		want.code = acceptRefused
	default:
		m.ids = append(m.ids, a.id)
		m.runs[a.id] = &modelRun{status: schema.RunQueued, priority: a.priority, project: a.project, fence: m.b.clock.UnixMilli(),
			signals: map[string]bool{}, fields: map[string]string{}}
		m.enqueue(a.id, false)
		if a.idem != "" {
			m.keys[a.idem] = a.id
		}
	}
	if got[0] != want {
		t.Fatalf("accept %+v: %+v; want %+v", a, got[0], want)
	}
}

func (m *model) worker(t *rapid.T) *ledger {
	return rapid.SampledFrom([]*ledger{m.b.one, m.b.two}).Draw(t, "worker")
}

func (m *model) some(t *rapid.T) []string {
	if len(m.ids) == 0 {
		t.Skip("no runs yet")
	}
	return rapid.SliceOfN(rapid.SampledFrom(m.ids), 1, 4).Draw(t, "runs")
}

// modelProjects have the weights 1, 1 and 3.
var modelProjects = []string{"a", "b", "heavy"}

// enqueue puts a run at the end of its queue, or at its head.
func (m *model) enqueue(id string, head bool) {
	r := m.runs[id]
	word := queueWord(r.priority, r.project)
	if head {
		m.queues[word] = append([]string{id}, m.queues[word]...)
	} else {
		m.queues[word] = append(m.queues[word], id)
	}
	had := m.had[r.priority]
	if had == nil {
		had = map[string]float64{}
		m.had[r.priority] = had
	}
	if _, ok := had[r.project]; !ok {
		lowest := 0.0
		if order := m.order(r.priority); len(order) > 0 {
			lowest = had[order[0]]
		}
		had[r.project] = lowest
	}
}

// order is the projects that have a turn, the next one first.
func (m *model) order(p schema.Priority) []string {
	had := m.had[p]
	return slices.SortedFunc(maps.Keys(had), func(a, b string) int {
		return cmp.Or(cmp.Compare(had[a], had[b]), cmp.Compare(a, b))
	})
}

// next takes up to limit runs from the queues in turn.
func (m *model) next(p schema.Priority, limit int) (ids []string) {
	for len(ids) < limit {
		order := m.order(p)
		if len(order) == 0 {
			return ids
		}
		project, n := order[0], limit-len(ids)
		weight := 1.0
		if project == "heavy" {
			weight = 3
		}
		if len(order) > 1 {
			n = min(n, int((m.had[p][order[1]]-m.had[p][project])*weight)+1)
		}
		word := queueWord(p, project)
		got := m.queues[word][:min(n, len(m.queues[word]))]
		m.queues[word] = slices.Clone(m.queues[word][len(got):])
		ids = append(ids, got...)
		if len(m.queues[word]) == 0 {
			delete(m.had[p], project)
		} else if len(order) > 1 {
			m.had[p][project] += float64(len(got)) / weight
		}
	}
	return ids
}

func (m *model) claim(t *rapid.T) {
	l, p := m.worker(t), rapid.SampledFrom(queue.Priorities()).Draw(t, "priority")
	limit := rapid.IntRange(1, 6).Draw(t, "how many")
	ids := m.next(p, limit)
	states, err := l.claim(m.ctx, m.b.lane(), p, limit)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, s := range states {
		got = append(got, s.id)
	}
	for _, id := range ids {
		r := m.runs[id]
		want = append(want, id)
		r.status, r.worker = schema.RunRunning, l.worker
		r.fence++
		m.held = append(m.held, &modelSegment{ledger: l, id: id, fence: r.fence, seen: r.count})
	}
	if !slices.Equal(got, want) {
		t.Fatalf("claimed %v; want %v", got, want)
	}
	for _, s := range states {
		if r := m.runs[s.id]; s.fence != r.fence || s.signalCount != r.count || s.status != schema.RunRunning {
			t.Fatalf("the claimed run is %+v; want %+v", s, r)
		}
	}
}

// commit lets a worker commit to a run that it has, or believes to have.
func (m *model) commit(t *rapid.T) {
	if len(m.held) == 0 {
		t.Skip("nothing is claimed")
	}
	s := rapid.SampledFrom(m.held).Draw(t, "segment")
	c := commit{id: s.id, project: "p", fence: s.fence, serial: s.serial, way: way{kind: rapid.SampledFrom([]wayKind{wayGo, wayPark, wayRelease, wayEnd}).Draw(t, "way")}}
	for _, name := range rapid.Permutation([]string{"a", "b", "c"}).Draw(t, "fields")[:rapid.IntRange(0, 3).Draw(t, "how many")] {
		m.rows++
		f := field{name: "z:" + name}
		if rapid.Bool().Draw(t, "set") {
			f.value = "value " + strconv.Itoa(m.rows)
			if rapid.Bool().Draw(t, "logged") {
				f.row, f.seq = stepRow, int64(m.rows)
			}
		}
		c.fields = append(c.fields, f)
	}
	if c.way.kind == wayGo || c.way.kind == wayPark {
		c.fields = append(c.fields, field{name: fieldRecovered})
	}
	switch c.way.kind {
	case wayPark:
		c.way.wake, c.way.seen = m.b.clock.Add(time.Duration(rapid.Int64Range(0, 20_000).Draw(t, "wake"))*time.Millisecond), s.seen
		if rapid.Bool().Draw(t, "reads its mail first") {
			c.way.seen = m.runs[s.id].count
		}
	case wayEnd:
		c.way.state = rapid.SampledFrom([]schema.RunStatus{schema.RunSucceeded, schema.RunFailed, schema.RunCanceled}).Draw(t, "state")
		if rapid.Bool().Draw(t, "called") {
			c.way.tell = "what"
		}
	}
	s.serial++
	codes, err := s.ledger.commitAll(m.ctx, m.b.lane(), []*commit{&c})
	m.must(err)
	want := m.apply(s, c)
	if codes[0] != want {
		t.Fatalf("commit %+v by %s: code %d; want %d (the run: %+v)", c, s.ledger.worker, codes[0], want, m.runs[s.id])
	}
	if want == commitDone && c.way.kind != wayGo {
		// A worker that has given a run away knows it, and is silent.
		m.held = slices.DeleteFunc(m.held, func(h *modelSegment) bool { return h == s })
	}
	m.last = &sent{ledger: s.ledger, commit: c, code: want}
}

func (m *model) apply(s *modelSegment, c commit) int {
	r := m.runs[s.id]
	if r.fence != s.fence || r.worker != s.ledger.worker || r.status != schema.RunRunning {
		return commitRefused
	}
	for _, f := range c.fields {
		if f.value == "" {
			delete(r.fields, f.name)
		} else {
			r.fields[f.name] = f.value
		}
		if f.row != noRow {
			m.log[fmt.Sprintf("s p %s %d", c.id, f.seq)] = f.value
			m.logged += len(logs.AppendStep(nil, "p", c.id, f.seq, f.value))
		}
	}
	switch c.way.kind {
	case wayGo:
		r.recent = 0
	case wayRelease:
		r.status, r.worker = schema.RunQueued, ""
		m.enqueue(c.id, true)
	case wayEnd:
		r.status, r.untold = c.way.state, r.untold || c.way.tell != ""
	case wayPark:
		r.recent = 0
		if r.count > c.way.seen {
			return commitSignals
		}
		r.status, r.worker, r.wake = schema.RunWaiting, "", c.way.wake.UnixMilli()
	}
	return commitDone
}

// repeat sends the last commit again, as after a lost reply.
func (m *model) repeat(t *rapid.T) {
	if m.last == nil {
		t.Skip("nothing was sent")
	}
	before := m.runs[m.last.commit.id]
	codes, err := m.last.ledger.commitAll(m.ctx, m.b.lane(), []*commit{&m.last.commit})
	m.must(err)
	want := m.last.code
	if before.fence != m.last.commit.fence {
		want = commitRefused // the run went on under another fence: nothing to do here
	}
	if codes[0] != want {
		t.Fatalf("commit %+v again: code %d; want %d as before (the run: %+v)", m.last.commit, codes[0], want, before)
	}
}

func (m *model) tell(t *rapid.T) {
	id := m.some(t)[0]
	same := rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "same")
	code, priority, err := m.b.keeper.tell(m.ctx, id, []byte(`{"kind":"event"}`), same)
	m.must(err)
	r := m.runs[id]
	want := signalSeen
	switch {
	case r.status.Ended():
		want = signalEnded
	case same != "" && r.signals[same]:
	default:
		r.signals[same] = true
		r.count++
		if r.status == schema.RunWaiting {
			want, r.status = signalQueued, schema.RunQueued
			m.enqueue(id, false)
		}
	}
	if code != want || code == signalQueued && priority != r.priority {
		t.Fatalf("tell: %d, %s; want %d, %s", code, priority, want, r.priority)
	}
}

func (m *model) wake(t *rapid.T) {
	_, jobs, err := m.b.keeper.due(m.ctx, m.b.lane(), m.b.clock, 1000)
	m.must(err)
	got := map[string]bool{}
	for _, j := range jobs {
		got[j.id] = true
	}
	want := map[string]bool{}
	defer func() {
		for _, j := range jobs {
			m.enqueue(j.id, false)
		}
	}()
	for id, r := range m.runs {
		if r.status == schema.RunWaiting && r.wake <= m.b.clock.UnixMilli() {
			want[id], r.status = true, schema.RunQueued
		}
	}
	if !maps.Equal(got, want) {
		t.Fatalf("woke %v; want %v", got, want)
	}
}

func (m *model) takeBack(t *rapid.T) {
	l := m.worker(t)
	blame := rapid.Bool().Draw(t, "blame")
	jobs, err := m.b.keeper.takeBack(m.ctx, m.b.lane(), l.worker, blame, 1000)
	m.must(err)
	got := map[string]bool{}
	for _, j := range jobs {
		got[j.id] = true
	}
	want := map[string]bool{}
	defer func() {
		for _, j := range jobs {
			m.enqueue(j.id, true)
		}
	}()
	for id, r := range m.runs {
		if r.status != schema.RunRunning || r.worker != l.worker {
			continue
		}
		want[id] = true
		r.status, r.worker = schema.RunQueued, ""
		r.fence++
		if blame {
			r.recent++
			r.total++
		}
	}
	if !maps.Equal(got, want) {
		t.Fatalf("took back %v; want %v", got, want)
	}
}

// check compares all of Redis with the model.
func (m *model) check() {
	sets := map[string][]string{}
	for id, r := range m.runs {
		fields, err := m.b.rdb.HGetAll(m.ctx, m.b.lane().key+":run:"+id).Result()
		m.must(err)
		s := parseState(id, pairsOf(fields))
		m.must(s.damage)
		if s.status != r.status || s.fence != r.fence || s.signalCount != r.count || len(s.mail) != int(r.count) || s.recoveries != r.recent || s.total != r.total {
			m.t.Fatalf("run %s is %+v; want %+v", id, s, r)
		}
		own := map[string]string{}
		for name, value := range fields {
			if len(name) > 2 && name[:2] == "z:" {
				own[name] = value
			}
		}
		if !maps.Equal(own, r.fields) {
			m.t.Fatalf("run %s has the fields %v; want %v", id, own, r.fields)
		}
		sets["live"] = append(sets["live"], id)
		switch r.status {
		case schema.RunQueued:
			sets["queued:"+string(r.priority)] = append(sets["queued:"+string(r.priority)], id)
		case schema.RunRunning:
			sets["claims:"+r.worker] = append(sets["claims:"+r.worker], id)
		case schema.RunWaiting:
			sets["timers"] = append(sets["timers"], id)
		}
		if r.untold {
			sets["untold"] = append(sets["untold"], id)
		}
	}
	for _, name := range []string{"live", "queued:high", "queued:normal", "queued:low", "claims:one", "claims:two", "timers", "untold"} {
		want := sets[name]
		slices.Sort(want)
		if got := m.b.members(name); !slices.Equal(got, want) {
			m.t.Fatalf("%s holds %v; want %v", name, got, want)
		}
	}
	rows := m.b.rows()
	if !maps.Equal(rows, m.log) {
		m.t.Fatalf("the log is %v; want %v", rows, m.log)
	}
	counted, err := m.b.rdb.IncrBy(m.ctx, m.b.lane().key+":logbytes", 0).Result()
	m.must(err)
	if int(counted) != m.logged {
		m.t.Fatalf("%d bytes of log are counted; want %d", counted, m.logged)
	}
}
