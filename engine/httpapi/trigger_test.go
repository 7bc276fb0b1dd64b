package httpapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"paragon/engine/execution"
	"paragon/schema"
)

// instantRuns accepts a run without keeping it.
type instantRuns struct{ fakeRuns }

func (*instantRuns) Trigger(_ context.Context, req execution.Request) (*schema.Run, error) {
	return &schema.Run{ID: "0a1b2c3d4e5f6g7h8i9j0", Project: req.Project, Workflow: req.Workflow, Status: schema.RunQueued,
		Trigger: req.Trigger, Input: req.Input, CreatedAt: req.Trigger.Time}, nil
}

// discarded is an answer that nobody reads.
type discarded struct {
	header http.Header
	status int
}

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) WriteHeader(status int)      { d.status = status }
func (d *discarded) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkTrigger is what the API itself costs a trigger: all but net/http and
// accepting the run.
func BenchmarkTrigger(b *testing.B) {
	r := newRig(b)
	r.server.opts.Runs, r.server.log = &instantRuns{}, slog.New(slog.DiscardHandler)
	target, err := url.Parse(base + "/workflows/one/runs")
	if err != nil {
		b.Fatal(err)
	}
	body := `{"input":{"email":"a@example.com"}}`
	b.ReportAllocs()
	for b.Loop() {
		w := &discarded{header: make(http.Header, 16)}
		r.server.ServeHTTP(w, &http.Request{
			Method: http.MethodPost, URL: target, RemoteAddr: "127.0.0.1:40000", ContentLength: int64(len(body)),
			Header: http.Header{"Authorization": {"Bearer " + r.tokens["operator"]}, "Content-Type": {"application/json"}},
			Body:   io.NopCloser(strings.NewReader(body)),
		})
		if w.status != http.StatusAccepted {
			b.Fatal(w.status)
		}
	}
}
