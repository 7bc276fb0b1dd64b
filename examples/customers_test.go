package examples_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"paragon/schema"
	"paragon/schema/api"
)

// apply applies a document of an example, changed.
func (w *world) apply(file string, change ...string) {
	w.t.Helper()
	text := strings.NewReplacer(append(change, farSide, w.far)...).Replace(w.read(file))
	if _, err := w.Apply(w.t.Context(), api.ApplyRequest{Files: []api.File{{Name: file, Content: text}}}, api.ApplyOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// customer makes a user with a credential of the CRM, who chooses a channel.
func (w *world) customer(id, meta, region, settings string) error {
	w.t.Helper()
	if _, err := w.PutUser(w.t.Context(), id, api.PutUserRequest{Meta: json.RawMessage(meta)}); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.PutCredential(w.t.Context(), id, "customer-crm", api.DefaultAccount, api.PutCredentialRequest{
		Bearer: &api.BearerCredential{Token: "a-token-of-" + id}, Settings: json.RawMessage(`{"region": "` + region + `"}`)}); err != nil {
		w.t.Fatal(err)
	}
	yes := true
	_, err := w.PutUserWorkflow(w.t.Context(), id, "customer-digest", api.PutUserWorkflowRequest{Enabled: &yes, Settings: json.RawMessage(settings)})
	return err
}

// digests are the runs for a user that a trigger of a kind started.
func (w *world) digests(user, kind string) (n int) {
	w.t.Helper()
	list, err := w.Runs(w.t.Context(), api.RunsQuery{Workflow: "customer-digest", User: user, Status: []schema.RunStatus{schema.RunSucceeded}})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, run := range list.Items {
		if string(run.Trigger.Kind) == kind {
			n++
		}
	}
	return n
}

func customerDigest(w *world) {
	ctx := w.t.Context()
	for id, settings := range map[string]string{"u_1": `{"channel": "Sales"}`, "u_2": `{"channel": "Ops", "least": 1}`} {
		if err := w.customer(id, `{"plan": "pro", "name": "Ada"}`, "us", settings); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := w.customer("u_3", `{"plan": "free"}`, "eu", `{"channel": "Sales"}`); !isProblem(err, schema.ProblemForbidden) {
		w.t.Errorf("who has not the plan: %v", err)
	}
	if err := w.customer("u_4", `{"plan": "pro"}`, "eu", `{}`); !isProblem(err, schema.ProblemInvalid) {
		w.t.Errorf("who chose no channel: %v", err)
	}
	run, err := w.Trigger(ctx, "customer-digest", api.TriggerRequest{User: "u_1"}, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.gave(run.ID, `{"channel":"Sales","text":"2 deals for Ada"}`)

	// A deal that is large enough for one of them.
	for user, n := range map[string]int{"u_1": 0, "u_2": 1} {
		sent, err := w.SendEvent(ctx, api.EventRequest{Name: "deal.won", User: user, Data: json.RawMessage(`{"value": 500}`)})
		if err != nil || len(sent.Started) != n {
			w.t.Errorf("a deal of %s's started %+v, %v", user, sent, err)
		}
	}

	// A CRM that says who calls it.
	var mu sync.Mutex
	called := map[string]string{}
	crm := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		called[r.Header.Get("Authorization")] = r.Header.Get("X-Region")
		mu.Unlock()
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write([]byte(`{"slideshow": {"slides": []}}`))
	}))
	defer crm.Close()
	w.apply("customer-digest/integration.yaml", farSide, crm.URL)
	w.apply("customer-digest/workflow.yaml", "0 7 * * 1-5", "* * * * * *", "jitter: 30m", "jitter: 100ms")
	w.until("cron has run for both who have it", func() bool { return w.digests("u_1", "cron") > 0 && w.digests("u_2", "cron") > 0 })
	mu.Lock()
	if len(called) != 2 || called["Bearer a-token-of-u_1"] != "us" || called["Bearer a-token-of-u_2"] != "us" {
		w.t.Errorf("the CRM was called as %v", called)
	}
	mu.Unlock()
	w.apply("customer-digest/workflow.yaml") // no more every second

	// With the plan goes the workflow.
	if _, err := w.PutUser(ctx, "u_1", api.PutUserRequest{Meta: json.RawMessage(`{"plan": "free"}`)}); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.Trigger(ctx, "customer-digest", api.TriggerRequest{User: "u_1"}, 0); !isProblem(err, schema.ProblemConflict) {
		w.t.Errorf("a run for who lost the plan: %v", err)
	}
}
