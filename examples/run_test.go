package examples_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// All examples in one server, each in a test of its own.
func TestExamples(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]func(w *world){
		"quickstart": quickstart, "github-webhook": githubWebhook, "crm-upsert": crmUpsert, "nightly-sync": nightlySync,
		"fan-out": fanOut, "approval": approval, "saga": saga, "export-polling": exportPolling, "backfill": backfill,
		"quote-api": quoteAPI, "search-index": searchIndex, "customer-digest": customerDigest, "destinations": destinations,
		"integrations": (*world).applyCatalogue,
	} {
		t.Run(name, func(t *testing.T) {
			inner := *w
			inner.t = t
			test(&inner)
		})
	}
}

// What fails is told to the API that `paragond dev` brings to call.
func destinations(w *world) {
	if run := w.wait(w.trigger("unlucky", "{}")); run.Status != schema.RunFailed {
		w.t.Fatalf("the run is %s", run.Status)
	}
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		list, err := w.Deliveries(w.t.Context(), "chat")
		if err != nil {
			w.t.Fatal(err)
		}
		if len(list.Items) > 0 && list.Items[0].State == api.DeliveryDelivered {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("nothing was told: %+v", list.Items)
		}
	}
}

func quickstart(w *world) {
	run := w.gives("lead-sync", `{"email": "Ada@example.com"}`, `{"email":"ada@example.com","kind":"company","newsletter":false}`)
	w.gives("lead-sync", `{"email": "bob@gmail.com", "newsletter": true}`, `{"email":"bob@gmail.com","kind":"person","newsletter":true}`)
	if _, err := w.Trigger(w.t.Context(), "lead-sync", api.TriggerRequest{Input: json.RawMessage(`{"email": "nobody"}`)}, 0); !isProblem(err, schema.ProblemInvalid) {
		w.t.Errorf("an address that is none: %v", err)
	}
	steps, err := w.Steps(w.t.Context(), run.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	raw, err := json.Marshal(steps)
	if err != nil {
		w.t.Fatal(err)
	}
	if token := w.secret("quickstart/crm-token.txt"); strings.Contains(string(raw), token) {
		w.t.Error("the log shows the token")
	}
}

func sign(secret, body string) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(body))
	return m.Sum(nil)
}

func githubWebhook(w *world) {
	push := w.read("github-webhook/push.json")
	good := "sha256=" + hex.EncodeToString(sign(w.secret("github-webhook/webhook-secret.txt"), push))
	header := map[string]string{"X-GitHub-Event": "push", "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958", "X-Hub-Signature-256": good}
	status, body := w.post("github-push/push", push, header)
	if want := `{"announced":true,"branch":"main","repository":"octo-example/hello-paragon"}`; status != 200 || body != want {
		w.t.Errorf("a signed push: %d %s; want 200 %s", status, body, want)
	}
	if status, body := w.post("github-push/push", push+" ", header); status != 401 {
		w.t.Errorf("a push that was changed: %d %s", status, body)
	}
	header["X-Hub-Signature-256"] = "sha256=" + strings.Repeat("0", 64)
	if status, body := w.post("github-push/push", push, header); status != 401 {
		w.t.Errorf("a wrong signature: %d %s", status, body)
	}
}

func crmUpsert(w *world) {
	body := `{"id": 42, "email": "Ada@example.com", "name": "Ada"}`
	good := base64.StdEncoding.EncodeToString(sign(w.secret("crm-upsert/shop-secret.txt"), body))
	status, answer := w.post("crm-upsert/customer", body, map[string]string{"X-Shop-Signature": good})
	var accepted struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &accepted); status != 202 || err != nil {
		w.t.Fatalf("a signed webhook: %d %s", status, answer)
	}
	w.gave(accepted.ID, `{"customer":42,"did":"created"}`)
	w.gives("crm-upsert", `{"id": 43, "email": "bob@example.com"}`, `{"customer":43,"did":"updated"}`)
	if status, answer := w.post("crm-upsert/customer", body, nil); status != 401 {
		w.t.Errorf("an unsigned webhook: %d %s", status, answer)
	}
}

func nightlySync(w *world) {
	w.gives("nightly-sync", `{"pages": 3}`, `{"archived":6,"failed":0,"read":6}`)
}

func fanOut(w *world) {
	w.gives("fan-out", w.read("fan-out/people.json"), `{"failed":["cem has no channel"],"told":3}`)
}

func approval(w *world) {
	decide := func(data string) {
		if _, err := w.SendEvent(w.t.Context(), api.EventRequest{Name: "refund.decided", Data: json.RawMessage(data)}); err != nil {
			w.t.Fatal(err)
		}
	}
	w.gives("approval", `{"order": "A-1", "amount": 20}`, `{"by":"nobody had to","order":"A-1","refunded":20}`)
	yes, no := w.trigger("approval", `{"order": "A-2", "amount": 250}`), w.trigger("approval", `{"order": "A-3", "amount": 999}`)
	for _, id := range []string{yes, no} {
		w.until("run "+id+" waits", func() bool {
			run, err := w.Run(w.t.Context(), id, 0)
			return err == nil && run.Status == schema.RunWaiting
		})
	}
	decide(`{"order": "A-2", "approved": true, "by": "ada"}`)
	decide(`{"order": "A-3", "approved": false, "by": "bob"}`)
	w.gave(yes, `{"by":"ada","order":"A-2","refunded":250}`)
	w.failed(no, "refused")
	if told := w.step(no, "tell"); told == nil || told.Status != schema.StepSucceeded {
		w.t.Errorf("the refusal was not told: %+v", told)
	}
}

func saga(w *world) {
	w.gives("saga", `{"trip": "T-1"}`, `{"booked":["flight","hotel","car"],"trip":"T-1"}`)
	run := w.fails("saga", `{"trip": "T-2", "noCar": true}`, "unbooked")
	for _, path := range []string{"cancelHotel", "cancelFlight"} {
		if s := w.step(run.ID, path); s == nil || s.Status != schema.StepSucceeded {
			w.t.Errorf("%s: %+v", path, s)
		}
	}
	run = w.fails("saga", `{"trip": "T-3", "noHotel": true}`, "unbooked")
	if s := w.step(run.ID, "cancelHotel"); s == nil || s.Status != schema.StepSkipped {
		w.t.Errorf("a hotel that was not booked: %+v", s)
	}
	if s := w.step(run.ID, "cancelFlight"); s == nil || s.Status != schema.StepSucceeded {
		w.t.Errorf("the flight of a trip without a hotel: %+v", s)
	}
}

func exportPolling(w *world) {
	w.gives("export-polling", `{"report": "sales"}`, `{"report":"sales","rows":3}`)
	w.gives("export-state", `{"export": "e-1"}`, `{"export":"e-1","questions":3}`)
}

func backfill(w *world) {
	run := w.gives("backfill", `{"ids": [1, 2, 3, 4, 5, 6, 7, 7]}`, "")
	var out struct {
		Started int
		Runs    []string
	}
	if err := json.Unmarshal(run.Output, &out); err != nil || out.Started != 7 || len(out.Runs) != 7 {
		w.t.Fatalf("output %s, %v", run.Output, err)
	}
	for i, id := range out.Runs {
		w.gave(id, `{"id":`+string(rune('1'+i))+`}`)
	}
}

func quoteAPI(w *world) {
	key := map[string]string{"X-Api-Key": w.secret("quote-api/partner-key.txt")}
	for _, c := range []struct {
		body   string
		header map[string]string
		status int
		answer string
	}{
		{`{"country": "AT", "items": [{"price": 10, "count": 3}]}`, key, 200, `{"net":30,"total":36}`},
		{`{"items": [{"price": 0.1, "count": 3}]}`, key, 200, ``},
		{`{"country": "FR", "items": [{"price": 10, "count": 3}]}`, key, 404, `{"error":"we do not deliver to FR"}`},
		{`{"items": []}`, key, 422, ``},
		{`{"items": [{"price": 10, "count": 3}]}`, nil, 401, ``},
	} {
		status, answer := w.post("quote-api/quote", c.body, c.header)
		if status != c.status || c.answer != "" && answer != c.answer {
			w.t.Errorf("%s: %d %s; want %d %s", c.body, status, answer, c.status, c.answer)
		}
	}
}

func searchIndex(w *world) {
	// On a machine that is busy with other things the saves may be further apart
	// than the pause that they are to stay below: then another document is tried.
	id := ""
	for round := 1; round <= 10; round++ {
		id = fmt.Sprintf("d%d", round)
		begun := time.Now()
		for _, text := range []string{"a", "a b", "a b c"} {
			w.gives("document-save", `{"id": "`+id+`", "text": "`+text+`"}`, "")
		}
		if time.Since(begun) < time.Second {
			break
		}
	}
	var ended []schema.Run
	w.until("one run of the index succeeded and two were canceled", func() bool {
		list, err := w.Runs(w.t.Context(), api.RunsQuery{Workflow: "search-index", Status: []schema.RunStatus{schema.RunSucceeded, schema.RunCanceled}})
		if err != nil {
			w.t.Fatal(err)
		}
		ended = slices.DeleteFunc(list.Items, func(r schema.Run) bool { return !strings.Contains(string(r.Input), `"`+id+`"`) })
		return len(ended) == 3
	})
	for _, run := range ended {
		if run.Status == schema.RunSucceeded && string(run.Output) != `{"id":"`+id+`","words":3}` {
			w.t.Errorf("the index got %s", run.Output)
		}
	}
	if ended[0].Status != schema.RunSucceeded {
		w.t.Errorf("the newest run %s", ended[0].Status)
	}
}
