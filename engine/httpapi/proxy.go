package httpapi

import (
	"context"
	"net/http"
	"strings"

	"paragon/engine/config"
	"paragon/engine/connect/proxy"
	"paragon/engine/connect/proxy/later"
	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

// Proxy carries calls to integrations. Errors that a caller can act on are
// *schema.Problem.
type Proxy interface {
	// Serve makes a call and passes its answer on. An error means that nothing
	// was answered yet.
	Serve(w http.ResponseWriter, r *http.Request, call proxy.Call) error
	// Check tells what can be told of a call before it is made.
	Check(ctx context.Context, r *http.Request, call proxy.Call) error
	// MaxBody is the largest body of a call, in bytes.
	MaxBody() int64
}

// ProxyCalls lists calls that went through the proxy, newest first.
type ProxyCalls interface {
	ListProxyCalls(ctx context.Context, q store.ProxyCallQuery) ([]schema.ProxyCall, error)
}

const (
	pathProxy = pathProject + "/integrations/{name}/proxy"
	idCall    = "callIntegration"
)

// proxyRoutes are those of the proxy.
func (s *Server) proxyRoutes() []route {
	if s.opts.Proxy == nil {
		return nil
	}
	list := []route{
		{path: pathProxy + "/{path...}", access: connected, action: config.ActionCall, id: idCall, tag: "integrations",
			summary: "Call an integration: the credential is put on, and the far side's answer passed on as it is",
			params: []param{{"header", "Paragon-User", "Call with the credential of this user", "string"},
				{"header", "Paragon-Account", "Which of the user's credentials. Default: the one that is called default", "string"},
				{"header", "Idempotency-Key", "Goes on to the far side, as any other header; with respond-async it also makes the same call the same job", "string"},
				{"header", "Prefer", "respond-async: answer at once, and make the call as a job (RFC 7240)", "string"},
				{"header", later.HeaderCallback, "With respond-async: where the job is posted to once it has ended, signed", "string"}},
			answers: []answer{{status: http.StatusOK, doc: "Whatever the far side answers, with its status", media: "*/*"},
				{status: http.StatusAccepted, doc: "The job, with Prefer: respond-async", body: typeOf[api.ProxyJob]()}},
			limit: s.opts.Proxy.MaxBody(), ownKeys: true, serve: s.callIntegration},
	}
	list = append(list, route{method: "GET", path: pathProject + "/proxy-jobs/{id}", access: connected, action: config.ActionCall, id: "getProxyJob", tag: "integrations",
		summary: "A call that was made with Prefer: respond-async, with the far side's answer once there is one",
		params:  []param{paramWait},
		answers: []answer{{status: http.StatusOK, body: typeOf[api.ProxyJob]()}}, serve: s.getProxyJob})
	if s.opts.ProxyCalls != nil {
		list = append(list, route{method: "GET", path: pathProject + "/proxy-calls", access: member, action: config.ActionReadRuns, id: "listProxyCalls", tag: "integrations",
			summary: "List calls to integrations, newest first",
			params: []param{{"query", "integration", "Calls to this integration", "string"}, {"query", "user", "Calls for this user", "string"},
				{"query", "failed", "Only those that got no answer, or one with a status of 400 or more", "boolean"},
				{"query", "since", "Begun at or after: a time, or a duration ago", "time"}, {"query", "until", "Begun before: a time, or a duration ago", "time"},
				paramCursor, paramLimit},
			answers: []answer{{status: http.StatusOK, body: typeOf[api.List[schema.ProxyCall]]()}}, serve: s.listProxyCalls})
	}
	return list
}

// proxyPath is the path of a call to an integration in its parts: the rest is
// escaped as it was sent. The mux would clean it, and answer with a redirect
// where the caller wants an empty segment, or one that it does not know.
func proxyPath(r *http.Request) (project, name, rest string, ok bool) {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/v1/projects/")
	if !ok {
		return "", "", "", false
	}
	project, path, ok = strings.Cut(path, "/integrations/")
	if !ok || strings.ContainsAny(project, "/%") {
		return "", "", "", false
	}
	name, path, ok = strings.Cut(path, "/")
	if !ok || strings.Contains(name, "%") || project == "" || name == "" {
		return "", "", "", false
	}
	rest, ok = strings.CutPrefix(path, "proxy")
	return project, name, rest, ok && (rest == "" || rest[0] == '/')
}

// serveProxy serves calls to integrations past the mux; false for all else.
func (s *Server) serveProxy(w http.ResponseWriter, r *http.Request) bool {
	if s.calls == nil {
		return false
	}
	project, name, rest, ok := proxyPath(r)
	if !ok {
		return false
	}
	r.SetPathValue("project", project)
	r.SetPathValue("name", name)
	r.SetPathValue("path", rest)
	s.calls.ServeHTTP(w, r)
	return true
}

func (s *Server) callIntegration(w http.ResponseWriter, r *request) error {
	tr := traceOf(r.Context())
	infoOf(r.Request).span.Calls(r.project, r.PathValue("name"))
	call := proxy.Call{
		Caller: proxy.Caller{Project: r.project, Integration: r.PathValue("name"), Account: r.account},
		Actor:  r.actor.Name, Path: r.PathValue("path"), TraceParent: tr.Parent(), TraceID: tr.TraceID(),
	}
	if r.user != nil {
		call.User = r.user.ID
	}
	if proxy.WantsAsync(r.Header) {
		return s.callLater(w, r, call)
	}
	return s.opts.Proxy.Serve(w, r.Request, call)
}

// proxyError tells who calls an integration of a problem that it is Paragon's
// and not the far side's.
const proxyError = "Paragon-Error"

func (s *Server) listProxyCalls(w http.ResponseWriter, r *request) error {
	q := r.query()
	query := store.ProxyCallQuery{Project: r.project, Integration: q.text("integration"), User: q.text("user"), Failed: q.boolean("failed"),
		Since: q.instant("since", s.now()), Until: q.instant("until", s.now()), Before: q.text("cursor"), Limit: int(q.number("limit", 1, 1000))}
	if q.err != nil {
		return q.err
	}
	if query.Limit == 0 {
		query.Limit = store.DefaultLimit
	}
	if _, ok := schema.ProxyCallIDTime(query.Before); query.Before != "" && !ok {
		return badField("query.cursor", "cursor must be the nextCursor of a list of calls, not %q", query.Before)
	}
	calls, err := s.opts.ProxyCalls.ListProxyCalls(r.Context(), query)
	if err != nil {
		return unavailable("the log of calls can't be read: %v", err)
	}
	page := api.List[schema.ProxyCall]{Items: calls}
	if page.Items == nil {
		page.Items = []schema.ProxyCall{}
	}
	if len(calls) == query.Limit {
		page.NextCursor = calls[len(calls)-1].ID
	}
	return writeJSON(w, http.StatusOK, page)
}
