package daemon_test

import (
	"net/http"
	"testing"
)

// TestFleet asks a server for its workers, and for what they have.
func TestFleet(t *testing.T) {
	d := startDev(t, t.TempDir())
	workers, err := d.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(workers.Items) != 1 || !workers.Items[0].Alive || workers.Items[0].LastSeen.IsZero() || workers.Items[0].Running != 0 {
		t.Errorf("workers: %+v", workers.Items)
	}
	entered, open := make(chan struct{}), make(chan struct{})
	far := serve(t, map[string]http.HandlerFunc{"/gate": func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-open
	}})
	d.apply("gated", `
steps:
  - {id: gate, request: {method: GET, url: "`+far+`/gate"}}
`)
	ids := []string{d.trigger("gated", "{}"), d.trigger("gated", "{}"), d.trigger("gated", "{}")}
	for range ids {
		<-entered
	}
	worker := workers.Items[0].ID
	page, err := d.WorkerRuns(t.Context(), worker, "", 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Items) != 2 || page.Items[0].ID != ids[2] || page.Items[0].Status != "running" || page.NextCursor != ids[1] {
		t.Errorf("the newest of %v: %+v", ids, page)
	}
	rest, err := d.WorkerRuns(t.Context(), worker, page.NextCursor, 0)
	if err != nil || len(rest.Items) != 1 || rest.Items[0].ID != ids[0] || rest.NextCursor != "" {
		t.Errorf("the rest: %+v, %v", rest, err)
	}
	if none, err := d.WorkerRuns(t.Context(), "nobody", "", 0); err != nil || len(none.Items) != 0 {
		t.Errorf("an unknown worker has %+v, %v", none, err)
	}
	close(open)
	for _, id := range ids {
		d.wait(id)
	}
}
