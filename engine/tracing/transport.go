package tracing

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Transport records each request that next carries within a span, with its
// redirects, as a child of that span, and sends the child's traceparent. A
// request that brings the traceparent of another trace keeps it: its workflow
// set it. The path and the query are left out, for a key may be in them.
func (t *Tracer) Transport(next http.RoundTripper) http.RoundTripper {
	if t == nil {
		return next
	}
	return &transport{next: next, tracer: t.tracer}
}

type transport struct {
	next   http.RoundTripper
	tracer trace.Tracer
}

// CloseIdleConnections closes those of the transport beneath.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	within := trace.SpanFromContext(req.Context())
	if !within.IsRecording() {
		return t.next.RoundTrip(req)
	}
	attributes := []attribute.KeyValue{
		attribute.String("http.request.method", req.Method),
		attribute.String("url.scheme", req.URL.Scheme),
		attribute.String("server.address", req.URL.Hostname()),
	}
	if port, err := strconv.Atoi(req.URL.Port()); err == nil {
		attributes = append(attributes, attribute.Int("server.port", port))
	}
	ctx, span := t.tracer.Start(req.Context(), req.Method+" "+req.URL.Host, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	// No deep copy: a body that streams fills in the trailers of the request that
	// it was given to.
	req = req.WithContext(ctx)
	if given := req.Header.Get(traceParent); given == "" || strings.Contains(given, within.SpanContext().TraceID().String()) {
		req.Header = req.Header.Clone()
		req.Header.Set(traceParent, format(span.SpanContext()))
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		span.SetStatus(codes.Error, "no answer")
		span.End()
		return nil, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
	if resp.StatusCode >= http.StatusBadRequest {
		span.SetStatus(codes.Error, http.StatusText(resp.StatusCode))
	}
	resp.Body = &body{ReadCloser: resp.Body, span: span}
	return resp, nil
}

// body ends the span with the answer's last byte.
type body struct {
	io.ReadCloser
	span trace.Span
	once sync.Once
}

func (b *body) end(err error) {
	b.once.Do(func() {
		if err != nil && !errors.Is(err, io.EOF) {
			b.span.SetStatus(codes.Error, "the answer broke off")
		}
		b.span.End()
	})
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end(err)
	}
	return n, err
}

func (b *body) Close() error {
	defer b.end(nil)
	return b.ReadCloser.Close()
}
