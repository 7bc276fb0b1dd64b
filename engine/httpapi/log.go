package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"paragon/engine/tracing"
	"paragon/schema"
)

// requestInfo is what is known of a request beyond what the caller sent, for the
// log and for reading its body.
type requestInfo struct {
	trace                   trace
	span                    tracing.Span
	pattern, actor, project string
	route                   *route
	err                     error // the cause of an internal error
}

type infoKey struct{}

func infoOf(r *http.Request) *requestInfo {
	if i, ok := r.Context().Value(infoKey{}).(*requestInfo); ok {
		return i
	}
	return &requestInfo{}
}

// recorder knows what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	size   int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.size += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// errBrokeOff is the cause of a connection that is cut: who called must not take
// the answer for whole.
var errBrokeOff = errors.New("the answer broke off")

// panicked reports a panic and answers 500 when nothing was answered yet.
func (s *Server) panicked(w *recorder, r *http.Request, v any) {
	info := infoOf(r)
	if v == http.ErrAbortHandler { //nolint:errorlint // this very value, as net/http compares it
		info.err = errBrokeOff
		info.span.BrokeOff()
		panic(v)
	}
	info.err = fmt.Errorf("panic: %v", v)
	s.log.ErrorContext(r.Context(), "request panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	if w.status == 0 {
		writeProblem(w, r, problem(http.StatusInternalServerError, schema.ProblemInternal, "Internal error",
			"this is a fault of the server; its log has the reason under the trace id"))
	}
}

// logRequest writes one line a request. The query is left out: it may hold a
// webhook's key.
func (s *Server) logRequest(r *http.Request, w *recorder, info *requestInfo, start time.Time, tr trace) {
	level := slog.LevelInfo
	switch {
	case info.pattern == pathLive || info.pattern == pathReady || info.pattern == pathMetrics:
		level = slog.LevelDebug
	case w.status >= 500:
		level = slog.LevelError
	}
	if !s.log.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", w.status),
		slog.Duration("took", s.now().Sub(start)), slog.Int64("bytes", w.size),
		slog.String("from", remoteHost(r)), slog.String("trace", tr.TraceID()),
	}
	if info.pattern != "" {
		attrs = append(attrs, slog.String("route", info.pattern))
	}
	if info.actor != "" {
		attrs = append(attrs, slog.String("actor", info.actor))
	}
	if info.err != nil {
		attrs = append(attrs, slog.Any("error", info.err))
	}
	s.log.LogAttrs(r.Context(), level, "request", attrs...)
}
