package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"paragon/schema"
	"paragon/schema/api"
)

func problem(status int, typ schema.ProblemType, title, format string, args ...any) *schema.Problem {
	return &schema.Problem{Type: typ, Title: title, Status: status, Detail: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *schema.Problem {
	return problem(http.StatusBadRequest, schema.ProblemInvalid, "Invalid request", format, args...)
}

// badField is a bad request with the place that is wrong.
func badField(field, format string, args ...any) *schema.Problem {
	p := badRequest(format, args...)
	p.Errors = []schema.Diagnostic{{Severity: schema.SeverityError, Code: "invalid", Field: field, Message: p.Detail}}
	return p
}

func notFound(format string, args ...any) *schema.Problem {
	return problem(http.StatusNotFound, schema.ProblemNotFound, "Not found", format, args...)
}

func unauthenticated(format string, args ...any) *schema.Problem {
	return problem(http.StatusUnauthorized, schema.ProblemUnauthenticated, "Unauthenticated", format, args...)
}

func forbidden(format string, args ...any) *schema.Problem {
	return problem(http.StatusForbidden, schema.ProblemForbidden, "Forbidden", format, args...)
}

func tooLarge(what string, limit int64) *schema.Problem {
	return problem(http.StatusRequestEntityTooLarge, schema.ProblemTooLarge, "Too large", "%s is larger than %d bytes", what, limit)
}

func unsupportedMedia(format string, args ...any) *schema.Problem {
	return problem(http.StatusUnsupportedMediaType, schema.ProblemInvalid, "Unsupported media type", format, args...)
}

func wrongMethod(method, path, allow string) *schema.Problem {
	return problem(http.StatusMethodNotAllowed, schema.ProblemMethod, "Method not allowed", "%s is not allowed on %s, only %s", method, path, allow)
}

func unavailable(format string, args ...any) *schema.Problem {
	p := problem(http.StatusServiceUnavailable, schema.ProblemUnavailable, "Unavailable", format, args...)
	p.RetryAfter = 2
	return p
}

func timedOut(format string, args ...any) *schema.Problem {
	return problem(http.StatusGatewayTimeout, schema.ProblemTimeout, "Timed out", format, args...)
}

// problemOf makes a problem of any error. What is no problem already is
// internal: the caller learns nothing of it but the trace id, under which the
// operator's log has the rest. Internal tells that there is such a rest.
func problemOf(ctx context.Context, err error) (p *schema.Problem, internal bool) {
	if errors.As(err, &p) {
		copied := *p // it may be shared
		return &copied, false
	}
	if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
		return tooLarge("the body", tooBig.Limit), false
	}
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return timedOut("the request ended before it was answered"), false
	}
	return problem(http.StatusInternalServerError, schema.ProblemInternal, "Internal error",
		"this is a fault of the server; its log has the reason under the trace id"), true
}

// writeProblem answers with a problem.
func writeProblem(w http.ResponseWriter, r *http.Request, p *schema.Problem) {
	p.Instance = r.URL.Path
	p.TraceID = traceOf(r.Context()).TraceID()
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	if p.Status < 400 || p.Status > 599 {
		p.Status = http.StatusInternalServerError
	}
	h := w.Header()
	h.Del("ETag")
	if _, _, _, ok := proxyPath(r); ok {
		h.Set(proxyError, string(p.Type))
	}
	h.Set("Content-Type", schema.ProblemContentType)
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", challenge) // a 401 must have one (RFC 9110 section 15.5.2)
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	body, err := json.Marshal(p)
	if err != nil { // only text and numbers: it can't
		body = []byte(`{"type":"/problems/internal","title":"Internal error","status":500}`)
	}
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(append(body, '\n'))
	}
}

// writeJSON answers with a value as JSON.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	var body bytes.Buffer
	enc := json.NewEncoder(&body) // which ends it with a line break
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	h := w.Header()
	h["Content-Type"] = contentJSON
	if h["Cache-Control"] == nil {
		h["Cache-Control"] = noStore
	}
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the caller going away is no fault of ours
	return nil
}

// Values of headers that nearly every answer has, made once.
var contentJSON, noStore = []string{api.ContentTypeJSON}, []string{"no-store"}
