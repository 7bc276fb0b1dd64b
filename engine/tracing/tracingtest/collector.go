package tracingtest

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	v1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is a span as it came.
type Span struct {
	Trace, ID, Parent, Name string
	Kind                    v1.Span_SpanKind
	Failed                  bool
	// Start and End are in nanoseconds since 1970.
	Start, End uint64
	// Attributes are texts and numbers, as text.
	Attributes map[string]string
	// Resource are those of the process that sent it.
	Resource map[string]string
}

// Collector keeps the spans that were sent to it.
type Collector struct {
	URL string

	mu    sync.Mutex
	spans []Span
}

// Start starts a collector that ends with the test.
func Start(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		if err := c.take(r); err != nil {
			t.Errorf("what came is no OTLP: %v", err)
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer, _ := proto.Marshal(&collector.ExportTraceServiceResponse{}) // has no fields to be wrong
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(answer)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

func (c *Collector) take(r *http.Request) error {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			return err
		}
		body = unpacked
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	var req collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(raw, &req); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range req.ResourceSpans {
		about := map[string]string{}
		for _, a := range resource.Resource.GetAttributes() {
			about[a.Key] = a.Value.GetStringValue()
		}
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, spanOf(s, about))
			}
		}
	}
	return nil
}

func spanOf(s *v1.Span, about map[string]string) Span {
	out := Span{
		Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
		Name: s.Name, Kind: s.Kind, Failed: s.Status.GetCode() == v1.Status_STATUS_CODE_ERROR,
		Start: s.StartTimeUnixNano, End: s.EndTimeUnixNano, Attributes: map[string]string{}, Resource: about,
	}
	for _, a := range s.Attributes {
		if text := a.Value.GetStringValue(); text != "" {
			out.Attributes[a.Key] = text
		} else {
			out.Attributes[a.Key] = a.Value.String()
		}
	}
	return out
}

// Spans are the spans that have come, by their start.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := slices.Clone(c.spans)
	slices.SortFunc(spans, func(a, b Span) int {
		switch {
		case a.Start < b.Start:
			return -1
		case a.Start > b.Start:
			return 1
		}
		return 0
	})
	return spans
}

// Text is everything that came, for looking for what must not be there.
func (c *Collector) Text() string {
	var text []byte
	for _, s := range c.Spans() {
		text = append(text, s.Name...)
		for k, v := range s.Attributes {
			text = append(text, "\n"+k+"="+v...)
		}
		text = append(text, '\n')
	}
	return string(text)
}
