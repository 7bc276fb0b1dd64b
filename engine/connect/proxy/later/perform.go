package later

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"paragon/engine/connect/proxy"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows/steps"
)

// The bounds of what is kept of a call, in bytes: the body that is sent, and that
// of the answer.
const (
	MostSent     = 256 << 10
	MostReceived = 256 << 10
)

// Proxy makes calls and keeps their answers.
type Proxy interface {
	Keep(ctx context.Context, call proxy.Call, job string, r *proxy.Request, most int64) (answer *proxy.Kept, sent bool, err error)
}

// Options are what a Performer works with. All are required.
type Options struct {
	Proxy Proxy
	// Redis remembers which calls were sent that may not be sent twice.
	Redis redis.UniversalClient
	// Secret is the value of a project's secret.
	Secret func(project, name string) (string, bool)
	// Transport carries callbacks: a guarded one (outbound.NewTransport).
	Transport http.RoundTripper
	Now       func() time.Time
}

// Performer performs the steps of the workflow of calls, and leaves all others
// to another one.
type Performer struct {
	opts   Options
	others steps.Performer
	client *http.Client
}

var _ steps.Performer = (*Performer)(nil)

// NewPerformer makes one.
func NewPerformer(o Options, others steps.Performer) *Performer {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Performer{opts: o, others: others, client: &http.Client{Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // what was signed is for the address that was asked for
	}}}
}

// Perform implements steps.Performer. The steps are known by what they are, so
// that no workflow of a project can pass for this one.
func (p *Performer) Perform(ctx context.Context, c steps.Call) steps.Outcome {
	var perform func(context.Context, steps.Call) (any, error)
	switch ours := Workflow(); c.Step {
	case ours.Steps[0]:
		perform = p.call
	case ours.Steps[1]:
		perform = p.callback
	default:
		return p.others.Perform(ctx, c)
	}
	if bound := c.Step.Timeout; bound > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, bound)
		defer cancel()
	}
	value, err := perform(ctx, c)
	var f *failure
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return steps.Outcome{Interrupted: true, Err: &schema.RunError{Type: schema.ProxyErrorCanceled, Message: "the attempt was interrupted"}}
	case errors.As(err, &f):
		f.err.Message = c.Redact(f.err.Message)
		return steps.Outcome{Err: f.err, Fatal: !f.again, RetryAfter: f.after}
	case err != nil:
		return steps.Outcome{Err: &schema.RunError{Type: "internal", Message: c.Redact(err.Error())}}
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return steps.FailedExpression(err)
	}
	return steps.Outcome{Result: raw}
}

// failure is an attempt that failed.
type failure struct {
	err   *schema.RunError
	again bool
	after time.Duration
}

func (f *failure) Error() string { return f.err.Message }

// read decodes what the body of a step says.
func read(c steps.Call, to any) error {
	value, err := c.Step.Args.Field("body").Eval(c.Scope)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, to)
}

// call makes the call. What may not be sent twice is noted before it is sent: a
// worker that finds the note took the run over from one that died, and does not
// know whether it arrived.
func (p *Performer) call(ctx context.Context, c steps.Call) (any, error) {
	var in Input
	if err := read(c, &in); err != nil {
		return nil, err
	}
	header := http.Header(in.Headers)
	again, note := proxy.Repeatable(in.Method, header), "paragon:{"+c.Run+"}:sent"
	if !again {
		fresh, err := p.opts.Redis.SetNX(ctx, note, 1, noteLife).Result()
		if err != nil {
			return nil, fmt.Errorf("note that the call is sent: %w", err)
		}
		if !fresh {
			return nil, &failure{err: &schema.RunError{Type: "interrupted",
				Message: "the worker died while the call was under way, and " + in.Method + " without an Idempotency-Key is not sent again: look whether it arrived"}}
		}
	}
	answer, sent, err := p.opts.Proxy.Keep(ctx, proxy.Call{
		Caller: proxy.Caller{Project: c.Project, Integration: in.Integration, User: in.User, Account: in.Account},
		Actor:  in.Actor, Path: in.Path, TraceParent: c.TraceParent, TraceID: in.TraceID,
	}, c.Run, &proxy.Request{Method: in.Method, Query: in.Query, Header: header, Body: in.Body}, MostReceived)
	if err != nil {
		if !sent && !again {
			if gone := p.opts.Redis.Del(context.WithoutCancel(ctx), note).Err(); gone != nil {
				return nil, &failure{err: &schema.RunError{Type: "interrupted", Message: "the call was not sent, and that can't be noted: " + gone.Error()}}
			}
		}
		f := &failure{err: &schema.RunError{Type: proxy.ErrorType(err), Message: err.Error()}}
		if after, ok := proxy.Temporary(err); ok && (again || !sent) {
			f.again, f.after = true, time.Duration(after)*time.Second
		}
		return nil, f
	}
	if again && proxy.RetryStatus(answer.Status) && c.Attempt < mostAttempts {
		return nil, &failure{err: &schema.RunError{Type: "http", Status: answer.Status, Message: fmt.Sprintf("%s answered %d", in.Integration, answer.Status)},
			again: true, after: proxy.RetryAfter(answer.Header, p.opts.Now())}
	}
	return kept(answer, c.Redact), nil
}

// noteLife is longer than any run of the workflow lasts.
const noteLife = 48 * time.Hour

// kept is the result of a call. Secrets of the project are blanked out, as in
// all that the history keeps.
func kept(from *proxy.Kept, redact func(string) string) *api.ProxyAnswer {
	a := &api.ProxyAnswer{Status: from.Status, Headers: map[string][]string{}}
	for name, values := range from.Header {
		for _, value := range values {
			a.Headers[name] = append(a.Headers[name], redact(value))
		}
	}
	if utf8.Valid(from.Body) {
		a.Body = redact(string(from.Body))
	} else {
		a.BodyBase64 = from.Body
	}
	return a
}
