package httpapi

import (
	"net/http"

	"paragon/engine/config"
	"paragon/schema"
	"paragon/schema/api"
)

// releaseRoutes are the routes of releases.
func (s *Server) releaseRoutes() []route {
	path := pathProject + "/releases"
	return []route{
		{method: "GET", path: path, access: member, action: config.ActionReadConfig, id: "listReleases", tag: "configuration",
			summary: "List releases, newest first", params: []param{paramCursor, paramLimit},
			answers: []answer{{status: http.StatusOK, body: typeOf[api.List[api.Release]]()}}, serve: s.listReleases},
		{method: "GET", path: path + "/{name}", access: member, action: config.ActionReadConfig, id: "getRelease", tag: "configuration",
			summary: "Read a release", answers: []answer{{status: http.StatusOK, body: typeOf[api.Release]()}}, serve: s.getRelease},
		{method: "GET", path: path + "/{name}/compare", access: member, action: config.ActionReadConfig, id: "compareReleases", tag: "configuration",
			summary: "What differs from a release to another, or to what is current",
			params:  []param{{"query", "to", "The other release. Default: what is current", "string"}},
			answers: []answer{{status: http.StatusOK, body: typeOf[api.Comparison]()}}, serve: s.compareReleases},
		{method: "POST", path: path + "/{name}/rollback", access: member, action: config.ActionWriteConfig, id: "rollbackRelease", tag: "configuration",
			summary: "Bring the resources of a release back to what it had, all of it or nothing",
			params:  []param{{"query", "dryRun", "Plan only", "boolean"}},
			answers: []answer{{status: http.StatusOK, body: typeOf[api.ApplyResult]()}}, limit: s.limits.Apply, serve: s.rollbackRelease},
	}
}

func (s *Server) listReleases(w http.ResponseWriter, r *request) error {
	q := r.query()
	before, limit := q.number("cursor", 1, 1<<62), q.number("limit", 1, 1000)
	if q.err != nil {
		return q.err
	}
	page, err := s.opts.Config.Releases(r.Context(), r.project, before, int(limit))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, page)
}

func (s *Server) getRelease(w http.ResponseWriter, r *request) error {
	release, err := s.opts.Config.Release(r.Context(), r.project, r.PathValue("name"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, release)
}

func (s *Server) compareReleases(w http.ResponseWriter, r *request) error {
	q := r.query()
	to := q.text("to")
	if q.err != nil {
		return q.err
	}
	found, err := s.opts.Config.CompareReleases(r.Context(), r.project, r.PathValue("name"), to)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, found)
}

func (s *Server) rollbackRelease(w http.ResponseWriter, r *request) error {
	q := r.query()
	dryRun := q.boolean("dryRun")
	if q.err != nil {
		return q.err
	}
	result, err := s.opts.Config.RollbackRelease(r.Context(), r.actor, r.project, r.PathValue("name"), dryRun)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, result)
}

// compareRevisions tells what differs between two revisions of a resource.
func (s *Server) compareRevisions(w http.ResponseWriter, r *request, id schema.Ref) error {
	q := r.query()
	from, to := q.number("from", 1, 1<<62), q.number("to", 1, 1<<62)
	if q.err != nil {
		return q.err
	}
	found, err := s.opts.Config.CompareRevisions(r.Context(), r.project, id, from, to)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, found)
}
