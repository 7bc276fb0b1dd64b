package destination

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"paragon/engine/notice"
	"paragon/engine/outbound"
	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

const signingKey = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// hookDocument is a destination of a webhook whose URL and key are secrets.
const hookDocument = `---
apiVersion: paragon/v1
kind: Destination
metadata: {name: hook}
spec:
  group: {wait: 10s, interval: 1m}
  webhook: {url: {secret: HOOK_URL}, signature: {secret: HOOK_KEY}, headers: {X-Token: {secret: HOOK_TOKEN}}}
`

// A storm is one message, signed as Standard Webhooks has it, with no secret in
// its body; the next is after the interval.
func TestAStormIsOneSignedMessage(t *testing.T) {
	r, h := newRig(t), newHook(t)
	c := r.apply(hookDocument, map[string]string{"HOOK_URL": h.URL + "/services/T00/secret-path", "HOOK_KEY": signingKey, "HOOK_TOKEN": "hunter2"})
	s := r.sender(c, nil)
	r.start(s)
	svc, _ := r.service(c)
	status := func() *api.Destination {
		got, err := svc.Status(t.Context(), schema.DefaultProject, "hook")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	r.until("the sender has met it", func() bool { n, _ := r.rdb.HLen(t.Context(), statesKey).Result(); return n == 1 })
	r.fail("sync", 500)
	r.until("they wait", func() bool { return status().Waiting == 500 })
	if n := len(h.calls()); n != 0 {
		t.Fatalf("%d messages before the wait was over", n)
	}
	r.advance(10 * time.Second)
	r.until("a message", func() bool { return len(h.calls()) == 1 })
	got := h.calls()[0]
	checkSignature(t, got)
	if got.header.Get("X-Token") != "hunter2" || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", got.header)
	}
	for _, secret := range []string{"hunter2", "secret-path", signingKey} {
		if strings.Contains(string(got.body), secret) {
			t.Errorf("the body has a secret: %s", got.body)
		}
	}
	var body struct {
		Type string
		Data struct {
			Count  int
			Title  string
			Events []struct {
				Event, Subject string
				Count          int
				Examples       []struct{ Run, Message string }
			}
		}
	}
	if err := json.Unmarshal(got.body, &body); err != nil {
		t.Fatal(err)
	}
	if d := body.Data; d.Count != 500 || len(d.Events) != 1 || d.Events[0].Subject != "sync" || len(d.Events[0].Examples) != notice.Examples ||
		!strings.HasPrefix(d.Title, "500 runs of sync failed") {
		t.Errorf("the message is %s", got.body)
	}
	r.fail("sync", 7)
	r.fail("other", 1)
	r.until("they wait", func() bool { return status().Waiting == 8 })
	r.advance(49 * time.Second)
	r.until("the first is noted", func() bool { return status().Last != nil && status().Last.State == api.DeliveryDelivered })
	if n := len(h.calls()); n != 1 {
		t.Fatalf("%d messages within the interval", n)
	}
	r.advance(11 * time.Second)
	r.until("the second message", func() bool { return len(h.calls()) == 2 })
}

// checkSignature is what a receiver does by the specification.
func checkSignature(t *testing.T, got call) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(signingKey, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(got.header.Get("webhook-id") + "." + got.header.Get("webhook-timestamp") + "." + string(got.body)))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); got.header.Get("webhook-signature") != want {
		t.Errorf("the signature is %q, want %q", got.header.Get("webhook-signature"), want)
	}
}

// A webhook that is down is tried again under the same id, days later disabled
// with an audit record and a word to the other destination, and resumed.
func TestDownDisabledResumed(t *testing.T) {
	r, h, other := newRig(t), newHook(t), newHook(t)
	h.answer(http.StatusServiceUnavailable)
	c := r.apply(hookDocument+`---
apiVersion: paragon/v1
kind: Destination
metadata: {name: other}
spec:
  events: [{event: destination.disabled}]
  group: {wait: 1s, interval: 1s}
  webhook: {url: {secret: OTHER_URL}}
  template: {body: {text: "${{ message.events[0].subject }}: ${{ message.events[0].examples[0].message }}"}}
`, map[string]string{"HOOK_URL": h.URL, "HOOK_KEY": signingKey, "HOOK_TOKEN": "x", "OTHER_URL": other.URL})
	r.start(r.sender(c, nil))
	svc, db := r.service(c)
	svc.Start(t.Context())
	t.Cleanup(svc.Stop)
	status := func() *api.Destination {
		got, err := svc.Status(t.Context(), schema.DefaultProject, "hook")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	r.until("the sender has met both", func() bool { n, _ := r.rdb.HLen(t.Context(), statesKey).Result(); return n == 2 })
	r.fail("sync", 3)
	r.until("they wait", func() bool { return status().Waiting == 3 })
	r.advance(10 * time.Second)
	r.until("an attempt", func() bool { return status().State == api.DestinationFailing })
	for status().State != api.DestinationDisabled {
		before := len(h.calls())
		r.advance(time.Hour)
		r.until("another attempt", func() bool { return len(h.calls()) > before || status().State == api.DestinationDisabled })
		r.until("it is noted", func() bool { s := status(); return s.Last.Attempts == len(h.calls()) })
	}
	if n := len(h.calls()); n < 70 {
		t.Errorf("disabled after %d attempts", n)
	}
	id := h.calls()[0].header.Get("webhook-id")
	for _, got := range h.calls() {
		if got.header.Get("webhook-id") != id {
			t.Fatalf("another id: %q", got.header.Get("webhook-id"))
		}
	}
	r.until("the audit log has it", func() bool {
		records, err := db.Audit(t.Context(), store.AuditQuery{Project: schema.DefaultProject, Action: "disable"})
		if err != nil {
			t.Fatal(err)
		}
		return len(records) == 1 && records[0].Object == "destination/hook" && strings.Contains(string(records[0].Detail), "503")
	})
	r.until("the other waits to be told", func() bool {
		got, err := svc.Status(t.Context(), schema.DefaultProject, "other")
		return err == nil && (got.Waiting == 1 || got.Last != nil)
	})
	r.advance(2 * time.Second)
	r.until("the other is told", func() bool { return len(other.calls()) == 1 })
	if text := string(other.calls()[0].body); !strings.Contains(text, `"text":"hook: no message arrived for 72h`) {
		t.Errorf("the other got %s", text)
	}
	h.answer(http.StatusOK)
	calls := len(h.calls())
	if err := svc.Resume(t.Context(), schema.DefaultProject, "hook"); err != nil {
		t.Fatal(err)
	}
	r.until("it arrives", func() bool {
		s := status()
		return s.State == api.DestinationActive && s.Last.State == api.DeliveryDelivered
	})
	if n := len(h.calls()); n != calls+1 || h.calls()[calls].header.Get("webhook-id") != id {
		t.Errorf("%d calls after the resume", n-calls)
	}
}

// A process may die at any point between a failure and its message: another
// goes on, tells each once and sends what may not have arrived again.
func TestAnotherGoesOnWhereOneDied(t *testing.T) {
	r, h := newRig(t), newHook(t)
	c := r.apply(hookDocument+strings.Replace(hookDocument, "name: hook", "name: twin", 1), map[string]string{"HOOK_URL": h.URL, "HOOK_KEY": signingKey, "HOOK_TOKEN": "x"})
	all, ctx := targets(c), t.Context()
	dead := r.sender(c, nil)
	if err := dead.meet(ctx, all); err != nil {
		t.Fatal(err)
	}
	r.fail("sync", 40)
	// It dies when it has merged what it took for one of both, and a message of
	// that one is on its way.
	sources := notice.Sources(2)
	batch, err := notice.Take(ctx, r.rdb, sources[len(sources)-1], "b1")
	if err != nil || batch == nil {
		t.Fatal(batch, err)
	}
	now := r.time()
	err = dead.book.update(ctx, all[0], func(s *state) {
		s.merge(batch, all[0].wants, now)
		s.make("m1", 0, 0, now)
		s.claim(1, now.Add(claimFor), now)
	})
	if err != nil {
		t.Fatal(err)
	}
	r.fail("sync", 2) // the storm goes on
	r.start(r.sender(c, nil))
	svc, _ := r.service(c)
	counts := func() (told int64) {
		for _, name := range []string{"hook", "twin"} {
			list, err := svc.Deliveries(ctx, schema.DefaultProject, name)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range list {
				if d.State == api.DeliveryDelivered {
					told += d.Events
				}
			}
		}
		return told
	}
	for range 8 {
		r.advance(20 * time.Second)
		before := counts()
		r.until("a round", func() bool {
			due, err := (&book{r.rdb, r.time}).dueBy(ctx, r.time(), 10)
			return err == nil && len(due) == 0 || counts() != before
		})
	}
	r.until("all are told", func() bool { return counts() == 84 })
	if n := len(h.calls()); n > 4 {
		t.Errorf("%d messages: a flood", n)
	}
}

// Two processes: one sends.
func TestOneOfTwoSends(t *testing.T) {
	r, h := newRig(t), newHook(t)
	c := r.apply(hookDocument, map[string]string{"HOOK_URL": h.URL, "HOOK_KEY": signingKey, "HOOK_TOKEN": "x"})
	first, second := r.sender(c, nil), r.sender(c, nil)
	r.start(first)
	r.start(second)
	svc, _ := r.service(c)
	r.until("one has met it", func() bool { n, _ := r.rdb.HLen(t.Context(), statesKey).Result(); return n == 1 })
	for round := range 5 {
		r.fail("sync", 10)
		r.until("they wait", func() bool {
			s, err := svc.Status(t.Context(), schema.DefaultProject, "hook")
			return err == nil && s.Waiting == 10
		})
		r.advance(time.Minute)
		r.until("it arrives", func() bool {
			s, err := svc.Status(t.Context(), schema.DefaultProject, "hook")
			return err == nil && s.Waiting == 0 && s.Last != nil && s.Last.State == api.DeliveryDelivered
		})
		if n := len(h.calls()); n != round+1 {
			t.Fatalf("%d messages after %d rounds", n, round+1)
		}
	}
}

// A webhook reaches no private address, and a redirect is not followed.
func TestTheGuardAndRedirects(t *testing.T) {
	r, h := newRig(t), newHook(t)
	h.answer(http.StatusFound)
	c := r.apply(hookDocument, map[string]string{"HOOK_URL": h.URL, "HOOK_KEY": signingKey, "HOOK_TOKEN": "x"})
	strict := outbound.New(outbound.Settings{})
	t.Cleanup(strict.Close)
	target := targets(c)[0]
	p := &pending{Delivery: api.Delivery{ID: "m", Test: true}}
	at := r.sender(c, func(o *Options) { o.HTTP = strict }).attempt(t.Context(), target, p)
	if at.err == "" || len(h.calls()) != 0 {
		t.Errorf("a loopback address was reached: %+v", at)
	}
	if at := r.sender(c, nil).attempt(t.Context(), target, p); at.status != http.StatusFound || at.err == "" || len(h.calls()) != 1 {
		t.Errorf("a redirect is %+v", at)
	}
}

// Whoever has no destination costs Redis nothing.
func TestWithoutDestinationsNothingIsAsked(t *testing.T) {
	r := newRig(t)
	c := r.apply("", nil)
	before, err := r.rdb.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	s := r.sender(c, nil)
	s.Start(t.Context())
	s.wake <- struct{}{} // it has looked once
	s.wake <- struct{}{}
	r.until("it looked again", func() bool { return len(s.wake) == 0 })
	after, err := r.rdb.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(after, "cmdstat_zrangebyscore") || strings.Count(before, "cmdstat_eval") != strings.Count(after, "cmdstat_eval") {
		t.Errorf("it asked:\n%s", after)
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// A template that can't be used is an error of the attempt, which a change of
// the destination mends at once.
func TestATemplateThatFails(t *testing.T) {
	r, h := newRig(t), newHook(t)
	c := r.apply(`---
apiVersion: paragon/v1
kind: Destination
metadata: {name: bad}
spec:
  webhook: {url: "`+h.URL+`"}
  template: {body: {text: "${{ message.events[7].subject }}"}}
`, nil)
	at := r.sender(c, nil).attempt(t.Context(), targets(c)[0], &pending{Delivery: api.Delivery{ID: "m"}, Groups: []group{{Event: "run.failed", Subject: "sync", Count: 1}}})
	if !strings.Contains(at.err, "template") || len(h.calls()) != 0 {
		t.Errorf("%+v", at)
	}
	var d *workflows.Destination = targets(c)[0].Destination.Destination
	s := &state{Revision: 1, Pending: &pending{Delivery: api.Delivery{ID: "m", NextAttempt: epoch.Add(time.Hour)}}}
	if s.claim(1, epoch, epoch) != nil || s.claim(2, epoch, epoch) == nil {
		t.Errorf("a new revision of %s waits", d.Name)
	}
}
