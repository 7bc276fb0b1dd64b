package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"time"

	"paragon/engine/cache"
	"paragon/engine/config"
)

// access says who may call a route.
type access string

const (
	// public needs no key. A webhook proves itself in its own way.
	public access = "public"
	// anyKey needs a valid key of any project and role.
	anyKey access = "key"
	// member needs a key of the project in the path whose role allows the
	// route's action.
	member access = "project"
)

// route is one row of the table that routing, access control and the OpenAPI
// document are made from.
type route struct {
	method string // empty: any
	path   string // as http.ServeMux has it
	access access
	// action is what the key's role must allow; empty unless access is member.
	action config.Action

	id, tag, summary string
	params           []param
	// body is the type of the request's JSON body, nil for none; media lists
	// its media types, JSON when empty. optional bodies may be left out.
	body     reflect.Type
	media    []string
	optional bool
	// answers are the successful ones.
	answers []answer
	// limit bounds the body; 0 takes the default.
	limit int64

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
	key     *cache.Key // nil on public routes
}

// handler is the net/http handler of a route.
func (s *Server) handler(rt *route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := infoOf(r)
		info.pattern = rt.path
		req := &request{Request: r, route: rt, project: r.PathValue("project")}
		info.project = req.project
		err := s.authorize(req)
		if err == nil {
			limit := rt.limit
			if limit == 0 {
				limit = s.limits.Body
			}
			if r.ContentLength > limit {
				// Said before the body is sent, when the caller asks (100-continue).
				err = tooLarge("the body", limit)
			} else {
				r.Body = http.MaxBytesReader(w, r.Body, limit)
				err = rt.serve(w, req)
			}
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
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

// authorize finds out who calls and whether they may.
func (s *Server) authorize(r *request) error {
	if r.route.access == public {
		return nil
	}
	key, err := s.authenticate(r.Request)
	if err != nil {
		return err
	}
	r.key = key
	r.actor = config.Actor{Name: key.Name, KeyID: key.ID, Role: config.Role(key.Role), From: remoteHost(r.Request)}
	infoOf(r.Request).actor = key.Name
	s.opts.Config.TouchKey(key.ID)
	if r.route.access == anyKey {
		return nil
	}
	if key.Project != r.project {
		// Whether the other project exists is none of the caller's business.
		return notFound("project %s does not exist, or your key is not for it", r.project)
	}
	if !r.actor.Role.Allows(r.route.action) {
		s.refused(r)
		return forbidden("role %s does not allow %s", key.Role, r.route.action)
	}
	return nil
}

// refused writes a refusal to the audit log, without holding the caller up for
// long.
func (s *Server) refused(r *request) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 2*time.Second)
	defer cancel()
	s.opts.Config.Refused(ctx, r.actor, r.project, string(r.route.action), r.Method+" "+r.URL.Path,
		"role "+string(r.actor.Role)+" does not allow it")
}

// challenge is the WWW-Authenticate header of a 401 (RFC 6750 section 3).
const challenge = `Bearer realm="paragon"`

// authenticate finds the key of the request's bearer token in memory, so that
// it works with every database away.
func (s *Server) authenticate(r *http.Request) (*cache.Key, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, unauthenticated("send an API key: Authorization: Bearer %s…", config.TokenPrefix)
	}
	key := s.opts.Cache.Key(config.HashToken(token))
	if key == nil {
		if err := s.opts.Cache.Ready(); err != nil {
			return nil, unavailable("API keys are not loaded yet: %v", err)
		}
		return nil, unauthenticated("the API key is not known: it was deleted, or belongs to another server")
	}
	if key.Expired(s.now()) {
		return nil, unauthenticated("the API key expired at %s", key.ExpiresAt.UTC().Format(time.RFC3339))
	}
	return key, nil
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
