package daemon_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"paragon/engine/connect/users"
	"paragon/engine/daemon"
	"paragon/engine/destination"
	"paragon/engine/servicetest"
	"paragon/schema"
	"paragon/schema/api"
)

// inbox is a webhook that counts what it gets.
type inbox struct {
	mu     sync.Mutex
	status int
	bodies []string
}

func (b *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bodies = append(b.bodies, string(body))
	w.WriteHeader(b.status)
}

func (b *inbox) answer(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status = status
}

func (b *inbox) got() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.bodies...)
}

// Runs fail: one message at the webhook, which is down first and gets it later,
// and one at the mail server; of the workflow with the label alone.
func TestFailedRunsAreTold(t *testing.T) {
	t.Parallel()
	hook := &inbox{status: http.StatusServiceUnavailable}
	far := httptest.NewServer(hook)
	t.Cleanup(far.Close)
	mail := servicetest.StartMail(t, servicetest.MailOptions{})
	d := startDev(t, t.TempDir(), func(o *daemon.DevOptions) {
		o.Mail = destination.Mail{Server: "smtp+plain://" + mail.Addr, From: "paragon@example.com"}
	})
	d.put(`
apiVersion: paragon/v1
kind: Destination
metadata: {name: hook}
spec:
  events: [{event: run.failed, labels: {team: growth}}, {event: queue.paused}, {event: credential.invalid}]
  group: {wait: 2s, interval: 1h}
  webhook: {url: "` + far.URL + `"}
---
apiVersion: paragon/v1
kind: Destination
metadata: {name: mail}
spec:
  events: [{event: run.failed}]
  group: {wait: 2s, interval: 1h}
  email: {to: [ops@example.com]}
---
apiVersion: paragon/v1
kind: Workflow
metadata: {name: mine, labels: {team: growth}}
spec: {steps: [{id: stop, fail: {message: "nothing to do"}}]}
---
apiVersion: paragon/v1
kind: Workflow
metadata: {name: theirs}
spec: {steps: [{id: stop, fail: {message: "nor here"}}]}
`)
	d.awaits("the destinations are known", func() bool {
		d.fails("theirs")
		return d.status("mail").Waiting > 0
	})
	for range 20 {
		d.fails("mine")
	}
	if err := d.PauseQueue(t.Context(), "0/low"); err != nil {
		t.Fatal(err)
	}
	gone := users.Failure{ID: "f-1", Place: users.Place{Project: schema.DefaultProject, User: "u_1", Integration: "crm", Account: "default"}, Reason: "invalid_grant", At: time.Now()}
	if err := d.CredentialFailed(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	d.awaits("an attempt", func() bool { return d.status("hook").State == api.DestinationFailing })
	hook.answer(http.StatusOK)
	d.awaits("it arrives", func() bool { s := d.status("hook"); return s.Last != nil && s.Last.State == api.DeliveryDelivered })
	d.awaits("the mail arrives", func() bool { return len(mail.Mail()) == 1 })
	bodies := hook.got()
	if last := bodies[len(bodies)-1]; len(bodies) < 2 || bodies[0] != last || strings.Contains(last, "theirs") ||
		!strings.Contains(last, `"subject":"mine"`) || !strings.Contains(last, "nothing to do") {
		t.Errorf("%d attempts, the last with %s", len(bodies), last)
	}
	if m := mail.Mail()[0]; !strings.Contains(m.Body, "theirs") || m.To[0] != "ops@example.com" {
		t.Errorf("the mail is %+v", m)
	}
	total := d.status("hook").Waiting + d.status("hook").Last.Events
	if total != 22 {
		t.Errorf("%d events are told or wait, want 20 failures, a pause and a credential", total)
	}
	if s := d.status("mail"); s.Last == nil || s.Waiting+s.Last.Events < 21 {
		t.Errorf("mail: %+v", s)
	}
	got, err := d.TestDestination(t.Context(), "hook")
	if err != nil {
		t.Fatal(err)
	}
	d.awaits("the test arrives", func() bool {
		list, err := d.Deliveries(t.Context(), "hook")
		return err == nil && len(list.Items) > 0 && list.Items[0].ID == got.ID && list.Items[0].State == api.DeliveryDelivered
	})
}

func (d *dev) put(documents string) {
	d.t.Helper()
	req := api.ApplyRequest{Files: []api.File{{Name: "all.yaml", Content: documents}}}
	if _, err := d.Apply(d.t.Context(), req, api.ApplyOptions{}); err != nil {
		d.t.Fatal(err)
	}
}

func (d *dev) fails(workflow string) {
	d.t.Helper()
	if _, err := d.Trigger(d.t.Context(), workflow, api.TriggerRequest{}, 30*time.Second); err != nil {
		d.t.Fatal(err)
	}
}

func (d *dev) status(name string) *api.Destination {
	d.t.Helper()
	s, err := d.DestinationStatus(context.WithoutCancel(d.t.Context()), name)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

func (d *dev) awaits(what string, holds func() bool) {
	d.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(time.Minute); !holds(); {
		select {
		case <-tick.C:
		case <-late:
			d.t.Fatalf("never: %s", what)
		}
	}
}
