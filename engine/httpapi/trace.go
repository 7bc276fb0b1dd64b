package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"

	"paragon/engine/tracing"
)

// trace is the W3C trace context of a request (Trace Context level 1, section
// 3.2): the caller's trace id, or a new one, and a span id of this request.
type trace struct {
	trace [16]byte
	span  [8]byte
	flags byte
}

// TraceID is the trace id in hex.
func (t trace) TraceID() string { return hex.EncodeToString(t.trace[:]) }

// Parent is the traceparent to hand on.
func (t trace) Parent() string {
	b := append(make([]byte, 0, 55), "00-"...)
	b = append(hex.AppendEncode(b, t.trace[:]), '-')
	b = append(hex.AppendEncode(b, t.span[:]), '-')
	return string(hex.AppendEncode(b, []byte{t.flags}))
}

// newTrace goes on with the caller's traceparent, or begins a trace when there
// is none or it is malformed.
func newTrace(parent string) trace {
	t, ok := parseTraceParent(parent)
	if !ok {
		t = trace{flags: 1}
		_, _ = rand.Read(t.trace[:]) // never fails (crypto/rand)
	}
	_, _ = rand.Read(t.span[:])
	return t
}

// parseTraceParent reads version-traceid-parentid-flags in lower-case hex.
// Versions after 00 may have more behind, version ff is invalid, and so are
// ids of zeros only.
func parseTraceParent(s string) (t trace, ok bool) {
	s = strings.TrimSpace(s)
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' || strings.ToLower(s) != s {
		return t, false
	}
	var version, flags [1]byte
	for _, part := range []struct {
		to   []byte
		text string
	}{{version[:], s[:2]}, {t.trace[:], s[3:35]}, {t.span[:], s[36:52]}, {flags[:], s[53:55]}} {
		if _, err := hex.Decode(part.to, []byte(part.text)); err != nil {
			return trace{}, false
		}
	}
	t.flags = flags[0]
	switch {
	case version[0] == 0xff, version[0] == 0 && len(s) != 55, len(s) > 55 && s[55] != '-',
		t.trace == [16]byte{}, t.span == [8]byte{}:
		return trace{}, false
	}
	t.flags &= 1 // the only flag of version 00
	return t, true
}

// trace begins the request's span where traces are recorded; otherwise, and for
// what asks every few seconds, the request is only a link of the caller's trace.
func (s *Server) trace(r *http.Request) (context.Context, trace, tracing.Span) {
	parent := r.Header.Get("Traceparent")
	if s.opts.Tracer == nil || r.URL.Path == pathLive || r.URL.Path == pathReady || r.URL.Path == pathMetrics {
		return r.Context(), newTrace(parent), tracing.Span{}
	}
	if _, ok := parseTraceParent(parent); !ok {
		parent = ""
	}
	ctx, span := s.opts.Tracer.Request(r.Context(), parent, r.Method)
	var t trace
	var sampled bool
	if t.trace, t.span, sampled = span.Context(); sampled {
		t.flags = 1
	}
	return ctx, t, span
}

// traceOf is the trace of a request by its context.
func traceOf(ctx context.Context) trace {
	if info, ok := ctx.Value(infoKey{}).(*requestInfo); ok {
		return info.trace
	}
	return trace{}
}
