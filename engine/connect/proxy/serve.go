package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"paragon/schema"
)

// Serve makes a call and passes the far side's answer on as it comes. An error
// means that nothing was answered yet; it is a *schema.Problem but for faults of
// ours. When the answer breaks off, so does the caller's connection: Serve then
// panics with http.ErrAbortHandler, as net/http wants it.
func (p *Proxy) Serve(w http.ResponseWriter, r *http.Request, call Call) error {
	_, err := p.serve(w, r, call, p.opts.MaxBody)
	if errors.Is(err, errBroken) {
		panic(http.ErrAbortHandler)
	}
	return err
}

// serve makes a call whose answer has at most so many bytes. It returns where
// the call went, as far as that was found out.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, call Call, most int64) (*Target, error) {
	x := &passage{proxy: p, call: call, r: r, from: connection{w: w, now: p.now}, started: p.now(), looked: time.Now(), most: most}
	err := x.open(r.Context())
	if err == nil {
		err = x.answer(w)
	}
	x.end(err)
	return x.target, err
}

// passage is one call on its way.
type passage struct {
	proxy   *Proxy
	call    Call
	r       *http.Request
	from    connection // to the caller
	started time.Time
	most    int64 // bytes of the answer's body

	target   *Target
	outlet   *outlet
	url      *url.URL
	body     payload
	patience *patience
	looked   time.Time // when the user was last looked at
	resp     *http.Response
	attempts int
	// status is what the caller was answered with, received the bytes of the
	// far side's body so far.
	status   int
	received int64
}

// aim finds out where the call goes, and refuses what can't go there.
func (x *passage) aim(ctx context.Context) (err error) {
	if err := refuseMethod(x.r); err != nil {
		return err
	}
	if x.proxy.journal.full.Load() {
		return unavailable(2, "the log of calls waits for the store, and there is no room for more")
	}
	if x.target, err = x.proxy.opts.Targets.Target(ctx, x.call.Caller); err != nil {
		return err
	}
	x.url, err = join(x.target.Base, x.call.Path, x.r.URL.RawQuery)
	return err
}

// open sends the call, again where that is safe and may help, until there is an
// answer that stands.
func (x *passage) open(ctx context.Context) (err error) {
	p := x.proxy
	if err := x.aim(ctx); err != nil {
		return err
	}
	x.outlet = p.outlets.of(&x.call, x.target)
	if err := x.body.take(x.r, &x.from, p.opts.MaxBody); err != nil {
		return err
	}
	x.patience = newPatience(ctx, x.target.timeout())
	x.from.allow(x.target.timeout())
	renewed := false
	for {
		x.attempts++
		err := x.attempt()
		if err == nil && x.resp.StatusCode == http.StatusUnauthorized && !renewed {
			renewed = true
			if again, err := x.renew(); err != nil {
				return err
			} else if again {
				continue
			}
		}
		wait, again := x.again(err)
		if !again {
			return x.failure(err)
		}
		x.dropAnswer()
		if err := x.patience.sleep(wait); err != nil {
			return x.failure(err)
		}
	}
}

// refuseMethod refuses what can't be passed on: TRACE would show the caller the
// request with the credential on it (RFC 9110 section 9.3.8), CONNECT has no
// path, and an upgrade leaves HTTP.
func refuseMethod(r *http.Request) error {
	switch r.Method {
	case http.MethodTrace, http.MethodConnect:
		return problem(http.StatusMethodNotAllowed, schema.ProblemMethod, "Method not allowed", "%s is not passed on to integrations", r.Method)
	}
	return nil
}

// attempt sends the call once.
func (x *passage) attempt() error {
	if err := x.outlet.limit.take(x.patience.ctx, x.proxy, x.target); err != nil {
		return err
	}
	done, err := x.outlet.breaker.Allow()
	if err != nil {
		return &failed{cause: errOpen, problem: unavailable(breakerSeconds, "%s has failed too often just now: nothing is sent to it for up to %d s", x.call.Integration, breakerSeconds)}
	}
	req, err := x.request()
	if err != nil {
		done(errUncounted)
		return err
	}
	x.resp, err = x.proxy.opts.Transport.RoundTrip(req) //nolint:bodyclose // closed by dropAnswer
	if err != nil {
		x.resp = nil
		err = x.patience.classify(err)
		if x.body.broken() && !errors.Is(err, errCanceled) {
			done(errUncounted)
			return brokenBody()
		}
		done(err)
		return err
	}
	done(answerError(x.resp.StatusCode))
	x.outlet.limit.observe(x.proxy, x.target, x.resp)
	return nil
}

// request makes the request of an attempt.
func (x *passage) request() (*http.Request, error) {
	u := *x.url
	req := (&http.Request{}).WithContext(x.patience.ctx)
	req.Method, req.URL, req.Host = x.r.Method, &u, u.Host
	req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/1.1", 1, 1
	req.Header = requestHeader(x.r.Header)
	x.body.attach(req, x.r)
	if err := x.target.Authorize(req); err != nil {
		return nil, err
	}
	// After the integration's own headers: one that is not to hear of traces names
	// a traceparent of its own.
	if _, set := req.Header["Traceparent"]; !set && x.call.TraceParent != "" {
		req.Header["Traceparent"] = []string{x.call.TraceParent}
	}
	if req.URL.Host != x.target.Base.Host || req.URL.Scheme != x.target.Base.Scheme {
		return nil, errors.New("the credential's owner changed where the request goes")
	}
	return req, nil
}

// renew asks for another credential after a 401. It tells whether to send the
// call again with it.
func (x *passage) renew() (again bool, err error) {
	t, err := x.proxy.opts.Targets.Refused(x.patience.ctx, x.target)
	if err != nil {
		x.dropAnswer()
		return false, err
	}
	if t == nil || !x.body.whole {
		return false, nil
	}
	x.dropAnswer()
	x.target = t
	return true, nil
}

// end closes what is open, and notes how the call went.
func (x *passage) end(err error) {
	if x.patience != nil {
		if errors.Is(err, errBroken) {
			x.patience.end() // nobody waits for the rest of it
		}
		x.dropAnswer()
		x.body.close(&x.from)
		x.patience.end()
	}
	x.proxy.note(x, err)
}

func (t *Target) timeout() time.Duration {
	if t.Timeout <= 0 {
		return DefaultTimeout
	}
	return t.Timeout
}

func unavailable(seconds int, format string, args ...any) *schema.Problem {
	p := problem(http.StatusServiceUnavailable, schema.ProblemUnavailable, "Unavailable", format, args...)
	p.RetryAfter = seconds
	return p
}
