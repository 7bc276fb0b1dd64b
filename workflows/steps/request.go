package steps

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"paragon/schema"
	"paragon/workflows/exchange"
	"paragon/workflows/token"
)

const (
	// defaultTimeout bounds an attempt of a step that sets no timeout.
	defaultTimeout = 30 * time.Second
	// longestRetryAfter clamps what the far side may ask for.
	longestRetryAfter = 24 * time.Hour
	// snippetLength is how much of an answer's body a message shows, in
	// characters.
	snippetLength = 200
)

// Requests performs request steps.
type Requests struct {
	client       *exchange.Client
	tokens       *token.Cache
	clock        exchange.Clock
	integrations Integrations
}

// NewRequests makes the performer of request steps; integrations may be nil, for
// none.
func NewRequests(client *exchange.Client, integrations Integrations) *Requests {
	return &Requests{client: client, tokens: token.New(client), clock: client.Time(), integrations: integrations}
}

// Perform sends the request, follows its pages, and reads the answer. The
// result is {status, headers, body}.
func (r *Requests) Perform(ctx context.Context, call Call) Outcome {
	spec := call.Step.Spec.Request
	a := &attempt{Requests: r, call: call, spec: spec, redact: newRedactor(call.Redact)}
	a.timeout = call.Step.Timeout
	if a.timeout <= 0 {
		a.timeout = defaultTimeout
	}
	own, cancel := r.clock.WithTimeout(ctx, a.timeout)
	defer func() { cancel() }()
	var err error
	if spec.Integration != "" {
		if err = a.connect(own); err == nil && call.Step.Timeout <= 0 && a.target.Timeout() > 0 {
			cancel()
			a.timeout = a.target.Timeout()
			own, cancel = r.clock.WithTimeout(ctx, a.timeout)
		}
	}
	var result []byte
	if err == nil {
		result, err = a.perform(own)
	}
	if err != nil {
		if exchange.KindOf(err) == exchange.KindTimeout && own.Err() != nil || errors.Is(err, context.DeadlineExceeded) && exchange.KindOf(err) == "" {
			err = &failure{err: &schema.RunError{Type: errorTimeout, Message: fmt.Sprintf("%s: no answer within %s", a.describe(), schema.Duration(a.timeout))}}
		}
		out := outcome(ctx, err, a.redact.text)
		out.RetryAfter, out.Request, out.Response = a.retryAfter, a.sent, a.got
		return out
	}
	if a.target != nil {
		result = a.target.Hide(result)
	}
	return Outcome{Result: result, Request: a.sent, Response: a.got}
}

// attempt is one attempt at a request step. It belongs to one goroutine.
type attempt struct {
	*Requests
	call    Call
	spec    *schema.RequestStep
	redact  *redactor
	timeout time.Duration

	method, url string
	sent, got   *schema.HTTPRecord
	retryAfter  time.Duration
	// target is what a request to an integration needs, nil without one; renewed
	// says that a 401 has had its second try.
	target  Target
	renewed bool
	// freshToken says that the attempt itself fetched its token, so that a 401
	// is not the token's age.
	freshToken bool
}

func (a *attempt) perform(ctx context.Context) ([]byte, error) {
	m, err := a.build()
	if err != nil {
		return nil, err
	}
	if a.call.Step.Pages != nil {
		return a.pages(ctx, m)
	}
	resp, err := a.exchange(ctx, m)
	if err != nil {
		return nil, err
	}
	return a.result(resp)
}

// exchange sends the message and checks the status. A token that the far side
// no longer takes is fetched again, once.
func (a *attempt) exchange(ctx context.Context, m *message) (*exchange.Response, error) {
	resp, err := a.send(ctx, m)
	if err != nil {
		return nil, err
	}
	if resp.Status == http.StatusUnauthorized && m.oauth != nil && !a.freshToken {
		a.tokens.Drop(ctx, *m.oauth, m.token)
		if resp, err = a.send(ctx, m); err != nil {
			return nil, err
		}
	}
	if resp.Status == http.StatusUnauthorized && a.target != nil && !a.renewed {
		if resp, err = a.renew(ctx, m, resp); err != nil {
			return nil, err
		}
	}
	if resp.Status >= 400 && !accepted(a.spec.Accept, resp.Status) {
		a.retryAfter = exchange.RetryAfter(resp.Header, a.clock.Now(), longestRetryAfter)
		return nil, a.statusError(resp)
	}
	a.retryAfter = 0
	return resp, nil
}

func (a *attempt) send(ctx context.Context, m *message) (*exchange.Response, error) {
	req, err := a.request(ctx, m)
	if err != nil {
		return nil, err
	}
	a.method, a.url = req.Method, exchange.RedactURL(req.URL, a.redact.text)
	a.sent, a.got = exchange.RecordRequest(req, m.body, a.redact.text), nil
	o := exchange.Options{Timeout: a.timeout, TraceParent: a.call.TraceParent}
	if n := a.spec.FollowRedirects; n != nil {
		o.MaxRedirects = *n
		if *n <= 0 {
			o.MaxRedirects = -1
		}
	}
	resp, err := a.do(ctx, req, o)
	if err != nil {
		return nil, err
	}
	a.got = exchange.RecordResponse(resp, a.redact.text)
	return resp, nil
}

// do reads the body unless the step does not want it.
func (a *attempt) do(ctx context.Context, req *http.Request, o exchange.Options) (*exchange.Response, error) {
	if a.spec.Response != "none" {
		return a.client.Do(ctx, req, o)
	}
	open, err := a.client.Open(ctx, req, o)
	if err != nil {
		return nil, err
	}
	defer open.Body.Close()
	resp := &exchange.Response{Status: open.StatusCode, Header: open.Header, URL: open.Request.URL.String()}
	if resp.Status >= 400 {
		// The beginning is enough for the message, and a body that breaks off
		// changes nothing.
		buf := make([]byte, 4096)
		n, _ := open.Body.Read(buf)
		resp.Body = buf[:n]
	}
	return resp, nil
}

// statusError is the failure of a status of 400 or more.
func (a *attempt) statusError(resp *exchange.Response) error {
	message := fmt.Sprintf("%s: %d", a.describe(), resp.Status)
	if text := http.StatusText(resp.Status); text != "" {
		message += " " + text
	}
	if a.got != nil && len(resp.Body) > 0 {
		message += ": " + exchange.Snippet(a.got.Body, snippetLength)
	}
	return &failure{err: &schema.RunError{Type: errorHTTP, Status: resp.Status, Message: message}}
}

// describe names the request for messages.
func (a *attempt) describe() string {
	if a.url == "" {
		return "the request"
	}
	return a.method + " " + a.url
}

// accepted tells whether a list of codes (404) and classes (4xx) has a status.
func accepted(list []any, status int) bool {
	for _, entry := range list {
		var text string
		switch v := entry.(type) {
		case int:
			text = fmt.Sprint(v)
		case int64:
			text = fmt.Sprint(v)
		case float64:
			text = fmt.Sprint(int(v))
		case string:
			text = strings.ToLower(v)
		default:
			text = fmt.Sprint(v)
		}
		code := fmt.Sprint(status)
		if text == code || len(text) == 3 && text[1:] == "xx" && text[0] == code[0] {
			return true
		}
	}
	return false
}
