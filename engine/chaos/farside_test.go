package chaos_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// observation is one request that the far side saw.
type observation struct {
	// key is its Idempotency-Key, "<run>/<path of the step>".
	key string
	// n counts the requests with that key, from 1.
	n    int
	body []byte
	at   time.Time
	// status is what was answered, 0 while it is not and when the other side
	// went away first.
	status int
	// done is when it was over, answered or not; zero before.
	done time.Time
}

func (o *observation) run() string  { run, _, _ := strings.Cut(o.key, "/"); return run }
func (o *observation) step() string { _, step, _ := strings.Cut(o.key, "/"); return step }

// trigger is the n of what started the run that made the request; empty when it
// is not said as it should be, under the run's own key.
func (o *observation) trigger() string {
	var body struct{ N, Run string }
	if err := json.Unmarshal(o.body, &body); err != nil || body.Run != o.run() {
		return ""
	}
	return body.N
}

// answer is how the far side treats a request; the zero value is 200 at once.
type answer struct {
	status     int
	after      time.Duration
	hang       bool // until the other side gives up
	until      <-chan struct{}
	retryAfter int // seconds
	pad        int // bytes that the body has besides
}

// farSide is the third party that workflows call. It records every request in
// the order of arrival.
type farSide struct {
	server *httptest.Server

	mu      sync.Mutex
	seen    []*observation
	byKey   map[string][]*observation
	treat   func(o observation) answer
	changed chan struct{} // closed and replaced at each change
}

func newFarSide(t testing.TB) *farSide {
	f := &farSide{byKey: map[string][]*observation{}, changed: make(chan struct{})}
	f.server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(func() {
		f.server.CloseClientConnections()
		f.server.Close()
	})
	return f
}

// treats says how requests are answered from now on; it must not block.
func (f *farSide) treats(how func(o observation) answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.treat = how
}

func (f *farSide) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // what came is what is recorded
	f.mu.Lock()
	key := r.Header.Get("Idempotency-Key")
	o := &observation{key: key, n: len(f.byKey[key]) + 1, body: body, at: time.Now()}
	f.seen = append(f.seen, o)
	f.byKey[key] = append(f.byKey[key], o)
	var a answer
	if f.treat != nil {
		a = f.treat(*o)
	}
	f.change()
	f.mu.Unlock()

	if a.status == 0 {
		a.status = http.StatusOK
	}
	if !a.wait(r) {
		f.over(o, 0)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if a.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(a.retryAfter))
	}
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(map[string]any{"key": key, "n": o.n, "pad": padding(key, a.pad)})
	f.over(o, a.status)
}

// over notes that a request was answered, or given up (0).
func (f *farSide) over(o *observation, status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o.status, o.done = status, time.Now()
	f.change()
}

// wait holds the answer back; false says that nobody waits for it any more.
func (a answer) wait(r *http.Request) bool {
	var ready <-chan time.Time
	switch {
	case a.hang:
	case a.until != nil:
		select {
		case <-a.until:
			return true
		case <-r.Context().Done():
			return false
		}
	case a.after <= 0:
		return true
	default:
		timer := time.NewTimer(a.after)
		defer timer.Stop()
		ready = timer.C
	}
	select {
	case <-ready:
		return true
	case <-r.Context().Done():
		return false
	}
}

func (f *farSide) change() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// url is the address that a workflow calls.
func (f *farSide) url() string { return f.server.URL }

// history is what was seen so far, in the order of arrival.
func (f *farSide) history() []observation {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]observation, len(f.seen))
	for i, o := range f.seen {
		out[i] = *o
	}
	return out
}

// of is what was seen with a key.
func (f *farSide) of(key string) []observation {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []observation
	for _, o := range f.byKey[key] {
		out = append(out, *o)
	}
	return out
}

// count counts the keys for whose step at least n requests came.
func (f *farSide) count(step string, n int) (keys int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, list := range f.byKey {
		if len(list) >= n && list[0].step() == step {
			keys++
		}
	}
	return keys
}

// await waits until the history is as wanted.
func (f *farSide) await(t testing.TB, within time.Duration, what string, wanted func() bool) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for {
		f.mu.Lock()
		changed := f.changed
		f.mu.Unlock()
		if wanted() {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("the far side waited %v in vain: %s", within, what)
		}
	}
}

// steps lists the keys' steps in the order of arrival, for one run.
func (f *farSide) steps(run string) []string {
	var out []string
	for _, o := range f.history() {
		if o.run() == run {
			out = append(out, o.step())
		}
	}
	return slices.Clip(out)
}

// oneRunEach checks that no trigger had more runs than it may, by its n; nil:
// than one.
func (f *farSide) oneRunEach(most func(n string) int) error {
	runsOf := map[string][]string{}
	for _, o := range f.history() {
		n := o.trigger()
		if n == "" {
			return fmt.Errorf("the far side got %q under the key %s", o.body, o.key)
		}
		runs := runsOf[n]
		if slices.Contains(runs, o.run()) {
			continue
		}
		runs = append(runs, o.run())
		runsOf[n] = runs
		if len(runs) > 1 && (most == nil || len(runs) > most(n)) {
			return fmt.Errorf("one trigger, %s, had %d runs: %s", n, len(runs), strings.Join(runs, ", "))
		}
	}
	return nil
}
