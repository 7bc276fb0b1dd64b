package destination

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"paragon/engine/store"
	"paragon/schema"
)

// What waits, for how long, and what came of attempts is told in figures, by a
// process that does not send, too.
func TestFigures(t *testing.T) {
	r, h := newRig(t), newHook(t)
	h.answer(http.StatusServiceUnavailable)
	c := r.apply(hookDocument, map[string]string{"HOOK_URL": h.URL, "HOOK_KEY": signingKey, "HOOK_TOKEN": "x"})
	s, onlooker := r.sender(c, nil), r.sender(c, nil)
	r.start(s)
	standing := func() Standing {
		t.Helper()
		all, err := onlooker.Standings(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		return all[0]
	}
	name := Name{schema.DefaultProject, "hook"}
	r.until("the sender has met it", func() bool { n, _ := r.rdb.HLen(t.Context(), statesKey).Result(); return n == 1 })
	if got := standing(); got != (Standing{Name: name}) {
		t.Errorf("at first it stands at %+v", got)
	}
	r.fail("sync", 5)
	r.until("they wait", func() bool { return standing().Waiting == 5 })
	r.advance(10 * time.Second)
	r.until("an attempt has failed", func() bool { return s.Attempts()[name].Failed == 1 })
	r.fail("sync", 2)
	r.until("the others wait, too", func() bool { return standing().Waiting == 7 })
	r.advance(5 * time.Second)
	if got := standing(); got.Delay < 15*time.Second || got.Delay > 16*time.Second || got.Disabled {
		t.Errorf("it stands at %+v; want a delay of 15 s", got)
	}
	h.answer(http.StatusGone)
	r.until("it is disabled", func() bool { r.advance(time.Second); return standing().Disabled })
	if got := standing(); got.Waiting != 7 || got.Delay < 15*time.Second {
		t.Errorf("disabled it stands at %+v", got)
	}
	h.answer(http.StatusOK)
	svc, _ := r.service(c)
	if err := svc.Resume(t.Context(), schema.DefaultProject, "hook"); err != nil {
		t.Fatal(err)
	}
	r.until("all has arrived", func() bool { r.advance(time.Second); return standing() == (Standing{Name: name}) })
	if got, want := s.Attempts()[name], (Attempts{Delivered: 2, Failed: 2}); got != want {
		t.Errorf("attempts %+v; want %+v", got, want)
	}
	if len(onlooker.Attempts()) != 0 {
		t.Errorf("who sends nothing counts %v", onlooker.Attempts())
	}
}

// One that is resumed before anybody was told that it was disabled is in the
// audit log all the same.
func TestResumedBeforeItWasTold(t *testing.T) {
	r, h := newRig(t), newHook(t)
	c := r.apply(hookDocument, map[string]string{"HOOK_URL": h.URL, "HOOK_KEY": signingKey, "HOOK_TOKEN": "x"})
	svc, db := r.service(c)
	at, err := svc.find(schema.DefaultProject, "hook")
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.book.update(t.Context(), at, func(st *state) {
		st.Pending = &pending{}
		st.disable("it is gone", r.time())
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds nothing untold
		if err := svc.Resume(t.Context(), schema.DefaultProject, "hook"); err != nil {
			t.Fatal(err)
		}
	}
	if err := svc.audit(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := db.Audit(t.Context(), store.AuditQuery{Project: schema.DefaultProject, Action: "disable"})
	if err != nil || len(list) != 1 || !strings.Contains(string(list[0].Detail), "it is gone") {
		t.Errorf("the audit log has %+v, %v", list, err)
	}
}
