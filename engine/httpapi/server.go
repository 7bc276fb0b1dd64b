package httpapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"paragon/engine/cache"
	"paragon/engine/config"
	"paragon/engine/connect/enrol"
	"paragon/engine/connect/users"
	"paragon/engine/execution"
	"paragon/engine/stats"
	"paragon/engine/tracing"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

// Runs is what the API needs of the execution plane. Errors that a caller can
// act on are *schema.Problem.
type Runs interface {
	Steering
	Operations
	// Trigger accepts a run.
	Trigger(ctx context.Context, req execution.Request) (*schema.Run, error)
	// Get returns a run, live or from history.
	Get(ctx context.Context, project, id string) (*schema.Run, error)
	// Steps returns what is known of a run's steps.
	Steps(ctx context.Context, project, id string) ([]schema.StepRecord, error)
	// List lists runs, newest first.
	List(ctx context.Context, project string, q api.RunsQuery) (api.List[schema.Run], error)
	// Payload returns a large value of a run by its digest.
	Payload(ctx context.Context, project, id, digest string) (json.RawMessage, error)
	// Wait returns the run when it has ended, or as it is when ctx is done.
	Wait(ctx context.Context, project, id string) (*schema.Run, error)
	// Response returns what a run answers its caller with, once it has
	// responded or ended; nil when ctx is done first.
	Response(ctx context.Context, project, id string) (*execution.Response, error)
	// Cancel ends a run.
	Cancel(ctx context.Context, project, id, actor string) (*schema.Run, error)
	// Publish delivers an event.
	Publish(ctx context.Context, ev execution.Event) (*execution.Delivery, error)
	// UserOf returns a user as a run of a workflow of users would see it, which
	// the expressions of a trigger's scope then see, too; nil when the workflow
	// does not run for this user.
	UserOf(ctx context.Context, wf *cache.Workflow, user string, scope *workflows.Scope) (*schema.RunUser, error)
	// Replay starts a run again, from a step or (empty) from the start.
	Replay(ctx context.Context, project, id string, fromStep, actor string) (*schema.Run, error)
}

// Check is one thing that readiness depends on.
type Check struct {
	Name string
	// Required makes the process unready when the check fails; another is only
	// shown.
	Required bool
	// Check returns why the thing is not there. It is given 2 seconds.
	Check func(ctx context.Context) error
}

// Limits bound what a request may cost. Zero fields take the defaults.
type Limits struct {
	// Body bounds the bodies of triggers, a line of NDJSON, webhooks and all
	// that has no limit of its own. Default 1 MiB.
	Body int64
	// Input bounds the body of a trigger that starts one run. Default Body; 16
	// MiB where large values are kept in object storage.
	Input int64
	// Apply bounds the body of apply. Default 16 MiB.
	Apply int64
	// Batch bounds the whole body of an NDJSON trigger. Default 256 MiB.
	Batch int64
	// Header bounds the request's headers. Default 64 KiB.
	Header int
	// Wait bounds ?wait and a webhook's respond: result. Default 5m.
	Wait time.Duration
	// Request bounds reading and answering, waits apart. Default 60s.
	Request time.Duration
	// Rate is how many requests a second one key or login may send, and at once
	// after a pause. 0 is any number.
	Rate int
	// Turns is how many requests that read or change what is stored are worked
	// on at a time; more wait up to 10 s for their turn. Default 64.
	Turns int
	// Bodies bounds the bodies of all requests that are being answered, in
	// bytes together. Default 256 MiB, and never less than one apply.
	Bodies int64
}

// The limits of a server that is given none.
const (
	bodyLimit    = 1 << 20
	applyLimit   = 16 << 20
	batchLimit   = 256 << 20
	bodiesLimit  = 256 << 20
	headerLimit  = 64 << 10
	turnsLimit   = 64
	waitLimit    = 5 * time.Minute
	requestLimit = time.Minute
)

func (l Limits) withDefaults() Limits {
	set := func(v *int64, to int64) {
		if *v <= 0 {
			*v = to
		}
	}
	set(&l.Body, bodyLimit)
	set(&l.Input, l.Body)
	set(&l.Apply, applyLimit)
	set(&l.Batch, batchLimit)
	set(&l.Bodies, bodiesLimit)
	l.Bodies = max(l.Bodies, l.Apply, l.Input)
	if l.Turns <= 0 {
		l.Turns = turnsLimit
	}
	if l.Header <= 0 {
		l.Header = headerLimit
	}
	if l.Wait <= 0 {
		l.Wait = waitLimit
	}
	if l.Request <= 0 {
		l.Request = requestLimit
	}
	return l
}

// Options configure a Server.
type Options struct {
	Cache  *cache.Cache
	Config *config.Service
	Runs   Runs
	// Fleet shows the workers; nil leaves the route out.
	Fleet Fleet
	// Users and Book are about the product's users; nil leaves their routes out.
	Users *users.Service
	Book  *users.Book
	// Enrol is about what users chose of workflows; nil leaves its routes out.
	Enrol *enrol.Service
	// Stats shows the live numbers; nil leaves the routes out.
	Stats *stats.View
	// Proxy carries calls to integrations, ProxyCalls lists them; nil leaves the
	// routes out.
	Proxy      Proxy
	ProxyCalls ProxyCalls
	// Destinations tells how sending to destinations goes; nil leaves its routes
	// out.
	Destinations Destinations
	// Checks are what /readyz asks.
	Checks []Check
	// Draining tells that the process is about to stop; /readyz then says so,
	// and nothing else changes. nil is never.
	Draining func() bool
	// Metrics serves /metrics; nil leaves it out.
	Metrics http.Handler
	// Version answers /version.
	Version api.Version
	Limits  Limits
	// Tracer records requests; nil records none.
	Tracer *tracing.Tracer
	// Log takes the request log and the reports of internal errors; nil is
	// slog.Default.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Server serves the API. It holds no state of its own and starts nothing.
type Server struct {
	opts      Options
	limits    Limits
	log       *slog.Logger
	now       func() time.Time
	mux       *http.ServeMux // every request: the routes, and unrouted
	known     *http.ServeMux // the routes alone
	routes    []route
	openAPI   []byte
	strangers strangers
	callers   *limiter
	turns     turns
	bodies    bodies
	// calls serves calls to integrations; nil without a proxy.
	calls http.Handler
}

// New returns a server.
func New(opts Options) (*Server, error) {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Draining == nil {
		opts.Draining = func() bool { return false }
	}
	s := &Server{opts: opts, limits: opts.Limits.withDefaults(), log: opts.Log, now: opts.Now, mux: http.NewServeMux(), known: http.NewServeMux()}
	s.mux.HandleFunc("/", s.unrouted)
	s.callers, s.turns, s.bodies.limit = newLimiter(s.limits.Rate), newTurns(s.limits.Turns), s.limits.Bodies
	s.routes = s.table()
	for i := range s.routes {
		rt := &s.routes[i]
		pattern := rt.path
		if rt.method != "" {
			pattern = rt.method + " " + rt.path
		}
		if rt.id == idCall {
			s.calls = s.handler(rt) // see serveProxy
			continue
		}
		h := s.handler(rt)
		s.mux.Handle(pattern, h)
		s.known.Handle(pattern, h)
	}
	var err error
	s.openAPI, err = describe(s.routes, opts.Version.Version)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// HTTPServer returns an http.Server with the server's limits. Its Shutdown
// lets requests end.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       s.limits.Request,
		WriteTimeout:      s.limits.Request,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    s.limits.Header,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// ServeHTTP answers a request: it never lets a panic out, logs, and hands the
// trace on.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := s.now()
	ctx, tr, span := s.trace(r)
	info := &requestInfo{trace: tr, span: span}
	r = r.WithContext(context.WithValue(ctx, infoKey{}, info))
	rec := &recorder{ResponseWriter: w}
	h := rec.Header()
	h["Traceparent"] = []string{tr.Parent()}
	secure(h, r.TLS != nil)
	endConnection(h, r)
	defer func() {
		span.Answered(r.Method, info.pattern, rec.status)
		s.logRequest(r, rec, info, start, tr)
	}()
	defer func() {
		if v := recover(); v != nil {
			s.panicked(rec, r, v)
		}
	}()
	if s.serveProxy(rec, r) {
		return
	}
	s.mux.ServeHTTP(rec, r)
}

// secure sets what keeps a browser from misusing an answer: nothing here is a
// page, and what a workflow answers a webhook with may do nothing on our origin.
func secure(h http.Header, overTLS bool) {
	for _, header := range securing {
		h[header.name] = header.value
	}
	if overTLS {
		h["Strict-Transport-Security"] = []string{"max-age=31536000"}
	}
}

// securing is made once, its names in canonical form, since every answer has it.
// Nobody writes to the values: those who set a header put another list there.
var securing = []struct {
	name  string
	value []string
}{
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"Content-Security-Policy", []string{"default-src 'none'; frame-ancestors 'none'; sandbox"}},
	{"Referrer-Policy", []string{"no-referrer"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
}

// endConnection ends the connection of a request that may be framed in two ways
// once it is answered: whatever follows it there is not read. net/http goes by
// Transfer-Encoding and forgets a Content-Length beside it, and the other way
// round in HTTP/1.0, so that neither can be seen here; a balancer that goes by
// the other one would take the rest of this request for the next (RFC 9112
// sections 6.1 and 11.2).
func endConnection(h http.Header, r *http.Request) {
	if r.ProtoMajor == 1 && (len(r.TransferEncoding) > 0 || r.ProtoMinor == 0) {
		h.Set("Connection", "close")
	}
}

// unrouted answers where no route is: it takes from a mux without itself whether
// another method would do.
func (s *Server) unrouted(w http.ResponseWriter, r *http.Request) {
	h, _ := s.known.Handler(r)
	probe := &probeWriter{header: http.Header{}}
	h.ServeHTTP(probe, r)
	if probe.status != http.StatusMethodNotAllowed {
		writeProblem(w, r, notFound("there is nothing at %s", r.URL.Path))
		return
	}
	allow := probe.header.Get("Allow")
	w.Header().Set("Allow", allow)
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	writeProblem(w, r, wrongMethod(r.Method, r.URL.Path, allow))
}

// probeWriter keeps the status and the headers of an answer that is not sent.
type probeWriter struct {
	header http.Header
	status int
}

func (p *probeWriter) Header() http.Header { return p.header }
func (p *probeWriter) WriteHeader(status int) {
	if p.status == 0 {
		p.status = status
	}
}
func (p *probeWriter) Write(b []byte) (int, error) { p.WriteHeader(http.StatusOK); return len(b), nil }

// remoteHost is the address of the other side without its port.
func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return strings.TrimSuffix(host, ".")
}
