package httpapi

import (
	"net/http"
	"reflect"
	"time"

	"paragon/engine/config"
	"paragon/engine/connect/users"
)

// access says who may call a route.
type access string

const (
	// public needs no key. A webhook proves itself in its own way.
	public access = "public"
	// anyKey needs a valid key of any project and role.
	anyKey access = "key"
	// member needs a key or a login whose role in the project of the path
	// allows the route's action.
	member access = "project"
	// connected is member, and also for one of the project's users with a token
	// of their own. A key may name the user that it calls for (Paragon-User).
	connected access = "user"
	// installation is about no one project: it needs a role in the default
	// project that allows the action.
	installation access = "installation"
)

// route is one row of the table that routing, access control and the OpenAPI
// document are made from.
type route struct {
	method string // empty: any
	path   string // as http.ServeMux has it
	access access
	// action is what the key's role must allow; empty unless access is member,
	// connected or installation. A user's own token needs no role.
	action config.Action

	id, tag, summary string
	params           []param
	// body is the type of the request's JSON body, nil for none; media lists
	// its media types, JSON when empty. optional bodies may be left out.
	body     reflect.Type
	media    []string
	optional bool
	// schema is what the document says of the body; nil where it is not checked.
	schema *bodySchema
	// answers are the successful ones.
	answers []answer
	// limit bounds the body; 0 takes the default.
	limit int64
	// streams says that the body is read, and let go, piece by piece.
	streams bool
	// ownKeys says that the route itself knows what to do with an
	// Idempotency-Key.
	ownKeys bool

	serve func(w http.ResponseWriter, r *request) error
}

// param is a query parameter or a header of a route.
type param struct {
	in, name, doc string
	// kind is string, integer, boolean, duration or time.
	kind string
}

// answer is a successful answer.
type answer struct {
	status int
	doc    string
	body   reflect.Type // nil: none
	media  string       // empty: JSON
}

// request is an authenticated request on a route.
type request struct {
	*http.Request
	route   *route
	project string
	actor   config.Actor
	caller  *caller // nil on public routes
	// user is who a connected route is called for, active; nil when a key names
	// nobody. account is which of the user's credentials to use; empty: the
	// default one.
	user    *users.User
	account string

	// turn, bodies and held are what letGo gives back.
	turn   turns
	bodies *bodies
	held   int64
}

// handler is the net/http handler of a route.
func (s *Server) handler(rt *route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := infoOf(r)
		info.pattern, info.route = rt.path, rt
		req := &request{Request: r, route: rt, project: r.PathValue("project")}
		info.project = req.project
		err := s.authorize(w, req)
		if err == nil {
			defer req.letGo()
			err = s.turns.take(req)
		}
		if err == nil {
			err = s.admit(w, req)
		}
		if err == nil {
			err = s.serveRoute(w, req)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

// admit bounds the request's body, alone and together with all others'.
func (s *Server) admit(w http.ResponseWriter, r *request) error {
	limit := r.route.limit
	if limit == 0 {
		limit = s.limits.Body
	}
	if r.ContentLength > limit {
		// Said before the body is sent, when the caller asks (100-continue).
		return tooLarge("the body", limit)
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	held := limit
	if r.ContentLength >= 0 {
		held = r.ContentLength
	}
	if r.route.streams {
		held = min(held, s.limits.Body)
	}
	return s.bodies.hold(r, held)
}

// serveRoute serves a request that may be served.
func (s *Server) serveRoute(w http.ResponseWriter, r *request) error {
	if key := r.Header.Get("Idempotency-Key"); key != "" && r.route.keepsAnswers() {
		return s.serveOnce(w, r, key)
	}
	return r.route.serve(w, r)
}

// fail answers with an error.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, internal := problemOf(r.Context(), err)
	if internal {
		infoOf(r).err = err
	}
	if rec, ok := w.(*recorder); ok && rec.status != 0 {
		infoOf(r).err = err // too late to say it to the caller
		return
	}
	writeProblem(w, r, p)
}

// extend gives the request a further time to be read and answered, for waits
// and streams that are longer than the server's bounds.
func extend(w http.ResponseWriter, by time.Duration) {
	ctl := http.NewResponseController(w)
	at := time.Now().Add(by)
	// A writer without deadlines, as in tests, has none to extend.
	_ = ctl.SetReadDeadline(at)
	_ = ctl.SetWriteDeadline(at)
}
