package daemon_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// member makes a user, who enables a workflow with settings.
func (d *dev) member(id, meta, workflow, settings string) {
	d.t.Helper()
	if _, err := d.PutUser(d.t.Context(), id, api.PutUserRequest{Meta: json.RawMessage(meta)}); err != nil {
		d.t.Fatal(err)
	}
	yes := true
	if _, err := d.PutUserWorkflow(d.t.Context(), id, workflow, api.PutUserWorkflowRequest{Enabled: &yes, Settings: json.RawMessage(settings)}); err != nil {
		d.t.Fatal(err)
	}
}

// post sends JSON to a path without a key.
func (d *dev) post(path, body string) (status int, answer string) {
	d.t.Helper()
	res, err := http.Post("http://"+d.Addr().String()+path, "application/json", strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(text))
}

// runsFor are the runs for a user, of a workflow.
func (d *dev) runsFor(user, workflow string) []schema.Run {
	d.t.Helper()
	list, err := d.Runs(d.t.Context(), api.RunsQuery{User: user, Workflow: workflow})
	if err != nil {
		d.t.Fatal(err)
	}
	return list.Items
}

const digest = `
users:
  allow: user.meta.plan == 'pro'
  settings: {type: object, required: [channel], properties: {channel: {type: string}}}
triggers:
  - {id: often, cron: {schedule: "* * * * * *", jitter: 100ms}, input: {by: cron}}
  - {id: changed, event: {name: lead.changed, if: "event.data.to == settings.channel"}}
  - {id: hook, webhook: {}, user: "${{ trigger.body.account }}"}
steps:
  - {id: note, emit: {event: digest.made, data: {to: "${{ settings.channel }}"}}}
  - {id: sub, call: {workflow: shared}}
output: {for: "${{ user.id }}", plan: "${{ user.meta.plan }}", to: "${{ settings.channel }}", sub: "${{ steps.sub }}", input: "${{ input }}"}
`

func TestWorkflowsForUsers(t *testing.T) {
	d := startDev(t, t.TempDir())
	ctx := t.Context()
	d.apply("shared", `
steps: [{id: a, set: {b: 1}}]
output: "${{ user.id }}"
`)
	d.apply("digest", digest)
	d.member("u_1", `{"plan": "pro"}`, "digest", `{"channel": "one"}`)
	d.member("u_2", `{"plan": "pro"}`, "digest", `{"channel": "two"}`)
	if _, err := d.PutUser(ctx, "u_3", api.PutUserRequest{Meta: json.RawMessage(`{"plan": "pro"}`)}); err != nil {
		t.Fatal(err)
	}

	// By hand, for the user who is named.
	run, err := d.Trigger(ctx, "digest", api.TriggerRequest{User: "u_1", Input: json.RawMessage(`7`)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	run = d.wait(run.ID)
	if want := `{"for":"u_1","input":7,"plan":"pro","sub":"u_1","to":"one"}`; string(run.Output) != want || run.User != "u_1" {
		t.Errorf("output %s for %q (%v), want %s", run.Output, run.User, run.Error, want)
	}
	for user, want := range map[string]int{"": 422, "u_3": 409, "u_9": 409} {
		var p *schema.Problem
		if _, err := d.Trigger(ctx, "digest", api.TriggerRequest{User: user}, 0); !errors.As(err, &p) || p.Status != want {
			t.Errorf("for %q: %v, want %d", user, err, want)
		}
	}
	again, err := d.Replay(ctx, run.ID, api.ReplayRequest{})
	if err != nil || again.User != "u_1" {
		t.Errorf("the replay is for %+v, %v", again, err)
	}

	// Cron, for everybody who has it.
	soon(t, "cron fires for each user", func() bool {
		return len(d.runsFor("u_1", "digest")) > 3 && len(d.runsFor("u_2", "digest")) > 1
	})
	if n := len(d.runsFor("u_3", "digest")); n != 0 {
		t.Errorf("%d runs for who has not enabled it", n)
	}

	// Events, for the user whom they name and whose settings they fit.
	sent, err := d.SendEvent(ctx, api.EventRequest{Name: "lead.changed", User: "u_2", Data: json.RawMessage(`{"to": "two"}`)})
	if err != nil || len(sent.Started) != 1 {
		t.Fatalf("an event: %+v %v", sent, err)
	}
	if got := d.wait(sent.Started[0]); got.User != "u_2" {
		t.Errorf("the event's run is for %q", got.User)
	}
	for _, ev := range []api.EventRequest{
		{Name: "lead.changed", User: "u_1", Data: json.RawMessage(`{"to": "two"}`)},
		{Name: "lead.changed", User: "u_3", Data: json.RawMessage(`{"to": "two"}`)},
		{Name: "lead.changed", Data: json.RawMessage(`{"to": "two"}`)},
	} {
		if sent, err := d.SendEvent(ctx, ev); err != nil || len(sent.Started) != 0 {
			t.Errorf("an event for %q started %+v, %v", ev.User, sent, err)
		}
	}

	// Webhooks, for the user whom they name; who does not have it is not told.
	for account, want := range map[string]string{"u_1": `"id"`, "u_3": `{"ignored":true}`, "": `{"ignored":true}`} {
		status, body := d.post("/hooks/default/digest/hook", `{"account": "`+account+`"}`)
		if status != http.StatusAccepted || !strings.Contains(body, want) {
			t.Errorf("a webhook for %q: %d %s", account, status, body)
		}
	}
}

// Who is disabled or deleted, or may not have a workflow any more, has nothing
// running; events for one user do not wake the runs of another.
func TestWhatRunsForAUserEnds(t *testing.T) {
	d := startDev(t, t.TempDir())
	ctx := t.Context()
	d.apply("waits", `
users: {allow: user.meta.plan == 'pro'}
steps: [{id: wait, waitFor: {event: go.on, timeout: 1h}}]
output: "${{ steps.wait.data }}"
`)
	start := func(user string) string {
		t.Helper()
		run, err := d.Trigger(ctx, "waits", api.TriggerRequest{User: user}, 0)
		if err != nil {
			t.Fatal(err)
		}
		d.until(run.ID, schema.RunWaiting)
		return run.ID
	}
	for _, id := range []string{"u_1", "u_2", "u_3"} {
		d.member(id, `{"plan": "pro"}`, "waits", ``)
	}
	one, two, three := start("u_1"), start("u_2"), start("u_3")

	if _, err := d.SendEvent(ctx, api.EventRequest{Name: "go.on", User: "u_2", Data: json.RawMessage(`"two"`)}); err != nil {
		t.Fatal(err)
	}
	if got := d.wait(two); string(got.Output) != `"two"` {
		t.Errorf("the run of the named user: %s %v", got.Output, got.Error)
	}
	if run, err := d.Run(ctx, one, 0); err != nil || run.Status.Ended() {
		t.Errorf("the run of another user: %+v %v", run, err)
	}

	yes := true
	if _, err := d.PutUser(ctx, "u_1", api.PutUserRequest{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	if got := d.wait(one); got.Status != schema.RunCanceled {
		t.Errorf("the run of a disabled user %s", got.Status)
	}
	if err := d.DeleteUser(ctx, "u_3"); err != nil {
		t.Fatal(err)
	}
	if got := d.wait(three); got.Status != schema.RunCanceled {
		t.Errorf("the run of a deleted user %s", got.Status)
	}
	four := start("u_2")
	no := false
	if _, err := d.PutUserWorkflow(ctx, "u_2", "waits", api.PutUserWorkflowRequest{Enabled: &no}); err != nil {
		t.Fatal(err)
	}
	if got := d.wait(four); got.Status != schema.RunCanceled {
		t.Errorf("the run of a workflow that was disabled %s", got.Status)
	}
	var p *schema.Problem
	if _, err := d.Trigger(ctx, "waits", api.TriggerRequest{User: "u_1"}, 0); !errors.As(err, &p) || p.Status != 409 {
		t.Errorf("a run for a disabled user: %v", err)
	}

	// A request in flight is broken off, too.
	d.apply("calls", strings.ReplaceAll(`
users: {default: enabled}
steps: [{id: long, request: {url: "FAR/delay/9"}, retry: {maxAttempts: 1}}]
`, "FAR", d.FarSide))
	five, err := d.Trigger(ctx, "calls", api.TriggerRequest{User: "u_2"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	soon(t, "the request is under way", func() bool {
		run, err := d.Run(ctx, five.ID, 0)
		return err == nil && run.Status == schema.RunRunning
	})
	began := time.Now()
	if _, err := d.PutUser(ctx, "u_2", api.PutUserRequest{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	if got := d.wait(five.ID); got.Status != schema.RunCanceled || time.Since(began) > 8*time.Second {
		t.Errorf("the run of a disabled user %s after %v", got.Status, time.Since(began))
	}

	// The audit log has who chose what.
	log, err := d.Audit(ctx, api.AuditQuery{Object: "user/u_2/workflow/waits"})
	if err != nil || len(log.Items) < 2 || !slices.ContainsFunc(log.Items, func(r api.AuditRecord) bool { return strings.Contains(string(r.Detail), `"enabled":false`) }) {
		t.Errorf("%+v %v", log, err)
	}
}
