package tracing_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paragon/engine/tracing"
	"paragon/engine/tracing/tracingtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	sampled   = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
)

// record does something with a tracer of a share, and returns the spans of it.
func record(t *testing.T, share float64, do func(*tracing.Tracer)) []tracingtest.Span {
	t.Helper()
	c := tracingtest.Start(t)
	tracer, err := tracing.New(t.Context(), tracing.Settings{Endpoint: c.URL, Share: share})
	if err != nil {
		t.Fatal(err)
	}
	do(tracer)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := tracer.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return c.Spans()
}

// Whoever begins a trace decides whether it is recorded: a run's span is when
// that of its acceptance was.
func TestSampling(t *testing.T) {
	run := tracing.Run{Project: "default", Workflow: "w", ID: "r1"}
	for _, test := range []struct {
		share  float64
		parent string
		spans  int
	}{{1, "", 2}, {0, "", 0}, {0, sampled, 2}, {1, unsampled, 0}, {1, "nonsense", 2}} {
		spans := record(t, test.share, func(tracer *tracing.Tracer) {
			_, accepted := tracer.Accept(t.Context(), test.parent, run)
			accepted.End("")
			tracer.Run(accepted.TraceParent(), run).Ended(time.Now(), time.Now(), "succeeded", "")
		})
		if len(spans) != test.spans {
			t.Errorf("share %v, parent %q: %d spans; want %d", test.share, test.parent, len(spans), test.spans)
		}
	}
	many := record(t, 0.25, func(tracer *tracing.Tracer) {
		for range 1000 {
			_, span := tracer.Accept(t.Context(), "", run)
			span.End("")
		}
	})
	if len(many) < 150 || len(many) > 350 { // 7 standard deviations
		t.Errorf("a quarter of 1000 traces are %d", len(many))
	}
}

// A request below a span brings that request's own span; another trace's
// traceparent, which a workflow has set, and what is in its URL stay its own.
func TestTransport(t *testing.T) {
	const others = "00-11111111111111111111111111111111-2222222222222222-01"
	var brought []string
	far := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		brought = append(brought, r.Header.Get("Traceparent"))
	}))
	defer far.Close()
	spans := record(t, 1, func(tracer *tracing.Tracer) {
		client := http.Client{Transport: tracer.Transport(&http.Transport{})}
		defer client.CloseIdleConnections()
		ctx, span := tracer.Request(t.Context(), sampled, "POST")
		for _, header := range []string{"", span.TraceParent(), others} {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, far.URL+"/path-secret?key=query-secret", nil)
			if err != nil {
				t.Fatal(err)
			}
			if header != "" {
				req.Header.Set("Traceparent", header)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := req.Header.Get("Traceparent"); got != header {
				t.Errorf("the request itself was changed to %q", got)
			}
		}
		span.Answered("POST", "/v1", 200)
	})
	if len(spans) != 4 || spans[0].Name != "POST /v1" {
		t.Fatalf("%d spans: %+v", len(spans), spans)
	}
	for i, s := range spans[1:] {
		if s.Parent != spans[0].ID || s.Attributes["server.address"] != "127.0.0.1" {
			t.Errorf("request %d: %+v", i, s)
		}
		if want := "00-" + s.Trace + "-" + s.ID + "-01"; i < 2 && brought[i] != want {
			t.Errorf("request %d brought %s; want %s", i, brought[i], want)
		}
		for name, value := range s.Attributes {
			if strings.Contains(value, "secret") {
				t.Errorf("the span says %s=%s", name, value)
			}
		}
	}
	if brought[2] != others {
		t.Errorf("a workflow's own traceparent became %s", brought[2])
	}
}

// What is off is off: no tracer, no error, nothing recorded.
func TestOff(t *testing.T) {
	tracer, err := tracing.New(t.Context(), tracing.Settings{})
	if tracer != nil || err != nil {
		t.Fatalf("without an endpoint: %v, %v", tracer, err)
	}
	ctx, span := tracer.Request(t.Context(), sampled, "GET")
	if ctx != t.Context() || span.Recording() || span.TraceParent() != "" || tracer.Run(sampled, tracing.Run{}).Recording() {
		t.Error("something is recorded")
	}
	span.End("")
	if err := tracer.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func TestWrongSettings(t *testing.T) {
	for _, s := range []tracing.Settings{
		{Endpoint: "collector:4318"}, {Endpoint: "grpc://collector:4317"}, {Endpoint: "http://"},
		{Endpoint: "http://collector:4318", Share: -1}, {Endpoint: "http://collector:4318", Share: 1.01},
	} {
		if tracer, err := tracing.New(t.Context(), s); err == nil {
			t.Errorf("%+v is taken", s)
			_ = tracer.Stop(t.Context())
		}
	}
}
