package trial

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"time"

	"paragon/schema"
	"paragon/workflows"
)

// requestMock answers requests.
type requestMock struct {
	spec  *schema.TestRequestMock
	value *workflows.Value
	cond  *workflows.Value
	place workflows.Place
	used  int
}

// transport carries the requests of a world to its mocks.
type transport struct{ w *world }

var (
	errUnmatched = errors.New("no mock of the test matches")
	errRefused   = errors.New("connection refused (by the test)")
	errSilent    = errors.New("no answer (by the test)")
)

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	w := t.w
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		if err := req.Body.Close(); err != nil {
			return nil, err
		}
	}
	sent := w.note(req, body)
	seen := sent.value()
	mock, why, err := w.requestMock(sent, seen)
	if err != nil {
		return nil, err
	}
	if mock == nil {
		w.stop(unmatched(sent, why))
		return nil, errUnmatched
	}
	return mock.answer(w, req, sent, seen)
}

// note keeps a request that leaves.
func (w *world) note(req *http.Request, body []byte) *Request {
	a := w.current
	r := &Request{Workflow: a.run.workflow.Name, Step: a.path, Attempt: a.number, Method: req.Method, at: w.clock.Now(), pending: a.pending, id: a.step,
		Query: map[string]any{}, Headers: map[string]string{}}
	r.At = schema.Duration(w.since(r.at))
	address := *req.URL
	address.User = nil
	r.URL = address.String()
	for name, values := range req.URL.Query() {
		r.Query[name] = several(values)
	}
	for name, values := range req.Header {
		r.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	if req.Host != "" && req.Host != req.URL.Host {
		r.Headers["host"] = req.Host
	}
	r.Body = bodyValue(body, req.Header.Get("Content-Type"))
	w.requests = append(w.requests, r)
	return r
}

func several(values []string) any {
	if len(values) == 1 {
		return values[0]
	}
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = v
	}
	return list
}

// bodyValue is a body as a test speaks of it: JSON as its value, a form as an
// object, anything else as text.
func bodyValue(body []byte, contentType string) any {
	if len(body) == 0 {
		return nil
	}
	media, _, _ := mime.ParseMediaType(contentType)
	var v any
	switch {
	case strings.HasSuffix(media, "json") && json.Unmarshal(body, &v) == nil:
		return v
	case media == "application/x-www-form-urlencoded":
		if form, err := parseQuery(string(body)); err == nil {
			return form
		}
	}
	return string(body)
}

// requestMock finds the mock of a request; why says of each that does not match
// why not.
func (w *world) requestMock(sent *Request, seen map[string]any) (*requestMock, []string, error) {
	var why []string
	for _, m := range w.given.requests {
		reason, err := m.mismatch(w, sent, seen)
		if err != nil {
			w.stop(failureOf(m.place.Field("match"), err))
			return nil, nil, err
		}
		if reason == "" {
			m.used++
			return m, nil, nil
		}
		at := m.place.Finding("", "", "")
		why = append(why, fmt.Sprintf("%s:%d: %s", at.File, at.Line, reason))
	}
	return nil, why, nil
}

// mismatch says why a request is not meant by the mock, empty when it is.
func (m *requestMock) mismatch(w *world, sent *Request, seen map[string]any) (string, error) {
	if m.spec.Times > 0 && m.used >= m.spec.Times {
		return fmt.Sprintf("all %d times are used", m.spec.Times), nil
	}
	s := m.spec.Match
	if s == nil {
		return "", nil
	}
	switch {
	case s.Workflow != "" && s.Workflow != sent.Workflow:
		return "it is for workflow " + s.Workflow, nil
	case s.Step != "" && s.Step != sent.id && !named(s.Step, sent.Step):
		return "it is for step " + s.Step, nil
	case s.Attempt != 0 && s.Attempt != sent.Attempt:
		return fmt.Sprintf("it is for attempt %d, this is %d", s.Attempt, sent.Attempt), nil
	case s.Method != "" && !strings.EqualFold(s.Method, sent.Method):
		return fmt.Sprintf("it is for %s, this is %s", strings.ToUpper(s.Method), sent.Method), nil
	}
	scope := w.given.scope(w.clock.Now(), map[string]any{"request": seen})
	match := m.value.Field("match")
	if u := match.Field("url"); u != nil {
		pattern, err := u.EvalString(scope)
		if err != nil {
			return "", err
		}
		if !matchURL(pattern, sent.URL) {
			return fmt.Sprintf("it is for url %s", pattern), nil
		}
	}
	for _, f := range []struct {
		name string
		got  any
	}{{"query", sent.Query}, {"headers", seen["headers"]}, {"body", sent.Body}} {
		want := match.Field(f.name)
		if want == nil {
			continue
		}
		shown, ok, err := compare(want, f.got, scope, true)
		if err != nil {
			return "", err
		}
		if !ok {
			return fmt.Sprintf("its %s differs: %s", f.name, firstDifference(shown, f.got)), nil
		}
	}
	if m.cond != nil {
		yes, err := m.cond.EvalBool(scope)
		if err != nil {
			return "", err
		}
		if !yes {
			return "its condition is false: " + s.If, nil
		}
	}
	return "", nil
}

// matchURL compares an address with a pattern in which * stands for any text. A
// pattern without a query takes every query.
func matchURL(pattern, address string) bool {
	if !strings.Contains(pattern, "?") {
		address, _, _ = strings.Cut(address, "?")
	}
	if !strings.Contains(pattern, "*") {
		return pattern == address
	}
	parts := strings.Split(pattern, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(address)
}

// answer is what the mock says to a request.
func (m *requestMock) answer(w *world, req *http.Request, sent *Request, seen map[string]any) (*http.Response, error) {
	specs, field := m.spec.Responses, m.place.Field("responses")
	if m.spec.Respond != nil {
		specs, field = []schema.TestAnswer{*m.spec.Respond}, m.place.Field("respond")
	}
	i := min(m.used, len(specs)) - 1
	spec, value := &specs[i], m.value.Field("responses").Item(i)
	if err := w.clock.Sleep(req.Context(), time.Duration(spec.Delay)); err != nil {
		return nil, err
	}
	switch spec.Error {
	case "network":
		return nil, errRefused
	case "timeout":
		if err := w.clock.Sleep(req.Context(), 365*24*time.Hour); err != nil {
			return nil, err
		}
		return nil, errSilent
	}
	resp, err := respond(spec, value, w.given.scope(w.clock.Now(), map[string]any{"request": seen}))
	if err != nil {
		w.stop(failureOf(field, err))
		return nil, err
	}
	resp.Request = req
	sent.Status = resp.StatusCode
	return resp, nil
}

// respond makes an answer of what a test says.
func respond(spec *schema.TestAnswer, value *workflows.Value, scope *workflows.Scope) (*http.Response, error) {
	header := http.Header{}
	headers, err := value.Field("headers").Eval(scope)
	if err != nil {
		return nil, err
	}
	if m, ok := headers.(map[string]any); ok {
		for name, v := range m {
			list, many := v.([]any)
			if !many {
				list = []any{v}
			}
			for _, one := range list {
				header.Add(name, fmt.Sprint(one))
			}
		}
	}
	var body []byte
	contentType := ""
	switch {
	case spec.Base64 != "":
		if body, err = base64.StdEncoding.DecodeString(spec.Base64); err != nil {
			return nil, err
		}
		contentType = "application/octet-stream"
	case spec.Text != "":
		text, err := value.Field("text").EvalString(scope)
		if err != nil {
			return nil, err
		}
		body, contentType = []byte(text), "text/plain; charset=utf-8"
	case value.Field("body") != nil:
		v, err := value.Field("body").Eval(scope)
		if err != nil {
			return nil, err
		}
		if body, err = json.Marshal(v); err != nil {
			return nil, err
		}
		contentType = "application/json"
	}
	if contentType != "" && header.Get("Content-Type") == "" {
		header.Set("Content-Type", contentType)
	}
	status := spec.Status
	if status == 0 {
		status = http.StatusOK
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

// unmatched says what no mock answers, and which would.
func unmatched(sent *Request, why []string) Failure {
	message := fmt.Sprintf("step %s sends %s %s, which no mock answers", sent.Step, sent.Method, sent.URL)
	if len(why) > 5 {
		why = append(why[:5], fmt.Sprintf("and %d more", len(why)-5))
	}
	if len(why) > 0 {
		message += "\n  " + strings.Join(why, "\n  ")
	}
	address, _, _ := strings.Cut(sent.URL, "?")
	return broken("unmatched-request", message, fmt.Sprintf("this would: {match: {step: %s, method: %s, url: %q}, respond: {status: 200, body: {}}}", sent.id, sent.Method, address))
}
