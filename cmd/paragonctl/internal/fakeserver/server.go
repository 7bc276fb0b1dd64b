package fakeserver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// Now is the server's time.
var Now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// The tokens that the server knows.
const (
	OwnerToken  = "pgn_owner"
	ViewerToken = "pgn_viewer"
)

// TraceID is in every problem.
const TraceID = "4bf92f3577b34da6a3ce929d0e0e4736"

// Server is a running fake.
type Server struct {
	*httptest.Server

	mu        sync.Mutex
	arrived   *sync.Cond
	requests  []string
	resources map[schema.Ref][]api.StoredResource
	releases  []api.Release // newest first
	runs      []*fakeRun
	byKey     map[string]string
	events    map[string]bool
	keys      []api.Key
	flaky     int
	paused    []string // queues and workflows

	operations []*api.Operation
	product    productUsers
	resumed    map[string]bool // destinations
	jobs       []*proxyJob
}

// Start starts a server. Close ends it.
func Start() *Server {
	s := &Server{
		resources: map[schema.Ref][]api.StoredResource{},
		byKey:     map[string]string{},
		events:    map[string]bool{},
		keys:      []api.Key{{ID: "k1", Name: "ada", Role: "owner", CreatedAt: Now.Add(-48 * time.Hour), LastUsed: Now}},
	}
	s.arrived = sync.NewCond(&s.mu)
	mux := http.NewServeMux()
	const project = "/v1/projects/{project}"
	for pattern, handle := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /v1/whoami":                                 s.whoami,
		"GET /v1/projects":                               s.listProjects,
		"POST /v1/auth/login":                            s.login,
		"POST /v1/projects":                              s.createProject,
		"POST /v1/auth/device":                           s.startDevice,
		"POST /v1/auth/device/token":                     s.claimDevice,
		"POST /v1/auth/accept":                           s.accept,
		"POST " + project + "/keys/{id}/rotate":          s.rotateKey,
		"POST /v1/auth/logout":                           s.logout,
		"GET /version":                                   s.version,
		"POST " + project + "/apply":                     s.apply,
		"GET " + project + "/{kind}":                     s.list,
		"GET " + project + "/{kind}/{name}":              s.get,
		"DELETE " + project + "/{kind}/{name}":           s.delete,
		"GET " + project + "/{kind}/{name}/revisions":    s.revisions,
		"POST " + project + "/{kind}/{name}/rollback":    s.rollback,
		"GET " + project + "/{kind}/{name}/compare":      s.compareRevisions,
		"GET " + project + "/releases":                   s.listReleases,
		"GET " + project + "/releases/{name}":            s.getRelease,
		"GET " + project + "/releases/{name}/compare":    s.compareReleases,
		"POST " + project + "/releases/{name}/rollback":  s.rollbackRelease,
		"POST " + project + "/workflows/{name}/runs":     s.trigger,
		"GET " + project + "/runs":                       s.listRuns,
		"GET " + project + "/runs/{id}":                  s.getRun,
		"GET " + project + "/runs/{id}/steps":            s.getSteps,
		"POST " + project + "/runs/{id}/cancel":          s.cancel,
		"POST " + project + "/runs/{id}/replay":          s.replay,
		"POST " + project + "/runs/replay":               s.operate(api.OperationReplay),
		"POST " + project + "/runs/cancel":               s.operate(api.OperationCancel),
		"GET " + project + "/operations":                 s.listOperations,
		"GET " + project + "/operations/{id}":            s.getOperation,
		"POST " + project + "/operations/{id}/cancel":    s.cancelOperation,
		"GET " + project + "/audit":                      s.listAudit,
		"GET " + project + "/settings":                   s.settings,
		"GET " + project + "/members":                    s.listMembers,
		"POST " + project + "/members":                   s.invite,
		"PUT " + project + "/members/{email}":            s.setRole,
		"DELETE " + project + "/members/{email}":         s.removeMember,
		"GET " + project + "/keys":                       s.listKeys,
		"POST " + project + "/keys":                      s.createKey,
		"DELETE " + project + "/keys/{id}":               s.deleteKey,
		"POST " + project + "/events":                    s.event,
		project + "/integrations/{name}/proxy/{path...}": s.proxy,
		"GET " + project + "/proxy-jobs/{id}":            s.getProxyJob,
		"GET " + project + "/proxy-calls":                s.listProxyCalls,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, handle) })
	}
	for pattern, handle := range s.steering(project) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, handle) })
	}
	for pattern, handle := range s.destinationRoutes(project) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, handle) })
	}
	for pattern, handle := range s.userRoutes(project) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, handle) })
	}
	mux.HandleFunc("GET /readyz", s.ready) // open to everybody
	s.Server = httptest.NewServer(mux)
	return s
}

// Await returns when a request has come whose method and path contain the
// text, now or before.
func (s *Server) Await(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for _, r := range s.requests {
			if strings.Contains(r, text) {
				return
			}
		}
		s.arrived.Wait()
	}
}

// Requests returns the requests that came, as "METHOD path?query".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// serve does what every request has in common.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, handle func(http.ResponseWriter, *http.Request) error) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	s.arrived.Broadcast()
	s.flaky++
	odd := s.flaky%2 == 1
	s.mu.Unlock()

	var err error
	switch project := r.PathValue("project"); {
	case project == "silent":
		// The body is read to its end, so that the server sees the client go.
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		return
	case project == "down", project == "flaky" && odd:
		w.Header().Set("Retry-After", map[string]string{"down": "60", "flaky": "0"}[project])
		err = problem(503, schema.ProblemUnavailable, "Postgres is away")
	case project == "broken":
		err = problem(500, schema.ProblemInternal, "internal error")
	case r.URL.Path == "/version", strings.HasPrefix(r.URL.Path, "/v1/auth/") && r.URL.Path != "/v1/auth/logout":
		err = handle(w, r)
	default:
		err = s.authorize(r)
		if err == nil {
			err = handle(w, r)
		}
	}
	if err != nil {
		fail(w, r, err)
	}
}

func (s *Server) authorize(r *http.Request) error {
	switch r.Header.Get("Authorization") {
	case "Bearer " + OwnerToken, "Bearer pgs_ada":
		return nil
	case "Bearer " + ViewerToken:
		if r.Method != http.MethodGet {
			return problem(403, schema.ProblemForbidden, "role viewer does not allow this")
		}
		return nil
	case "":
		return problem(401, schema.ProblemUnauthenticated, "send an API key")
	}
	return problem(401, schema.ProblemUnauthenticated, "the API key is not known: it was deleted, or belongs to another server")
}

func problem(status int, kind schema.ProblemType, format string, args ...any) *schema.Problem {
	return &schema.Problem{Type: kind, Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

func fail(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := err.(*schema.Problem)
	if !ok {
		p = problem(500, schema.ProblemInternal, "%s", err)
	}
	p.Instance, p.TraceID = r.URL.Path, TraceID
	w.Header().Set("Content-Type", schema.ProblemContentType)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

func answer(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", api.ContentTypeJSON)
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(v)
}

func decode(r *http.Request, v any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) == 0 {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return problem(400, schema.ProblemInvalid, "the body is not JSON: %s", err)
	}
	return nil
}

func (s *Server) whoami(w http.ResponseWriter, r *http.Request) error {
	who := api.Identity{Name: "ada", Role: "owner", Project: schema.DefaultProject}
	if r.Header.Get("Authorization") == "Bearer "+ViewerToken {
		who = api.Identity{Name: "bob", Role: "viewer", Project: schema.DefaultProject, Expires: Now.Add(24 * time.Hour)}
	}
	return answer(w, http.StatusOK, who)
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, api.Version{Version: "v0.0.0-fake", Go: "go1", Mode: "dev"})
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	_ = answer(w, http.StatusOK, api.Readiness{Status: "ok", Checks: map[string]api.ReadinessCheck{
		"log": {Error: "the history waits"},
	}})
}

func (s *Server) listKeys(w http.ResponseWriter, _ *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return answer(w, http.StatusOK, api.List[api.Key]{Items: s.keys})
}

func (s *Server) createKey(w http.ResponseWriter, r *http.Request) error {
	var req api.CreateKeyRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := api.Key{ID: fmt.Sprintf("k%d", len(s.keys)+1), Name: req.Name, Role: req.Role, Scope: req.Scope, CreatedAt: Now, CreatedBy: "ada", ExpiresAt: req.ExpiresAt}
	s.keys = append(s.keys, key)
	return answer(w, http.StatusCreated, api.CreatedKey{Key: key, Token: "pgn_new_" + key.ID})
}

func (s *Server) deleteKey(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, k := range s.keys {
		if k.ID == r.PathValue("id") {
			s.keys = append(s.keys[:i:i], s.keys[i+1:]...)
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
	}
	return problem(404, schema.ProblemNotFound, "key %s does not exist", r.PathValue("id"))
}
