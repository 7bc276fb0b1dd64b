package httpapi

import (
	"net/http"
	"strconv"

	"paragon/engine/config"
	"paragon/schema"
	"paragon/schema/api"
)

// apply takes an ApplyRequest as JSON, or one YAML file under any other media
// type. A JSON body that is a document itself (it has a kind) counts as a file,
// too.
func (s *Server) apply(w http.ResponseWriter, r *request) error {
	q := r.query()
	opts := config.ApplyOptions{DryRun: q.boolean("dryRun"), Prune: q.boolean("prune")}
	set, file := q.text("set"), nameOr(q.text("file"), "body")
	if q.err != nil {
		return q.err
	}
	mt, err := mediaType(r.Request)
	if err != nil {
		return err
	}
	body, err := readBody(r.Request)
	if err != nil {
		return err
	}
	req := api.ApplyRequest{Set: set, Files: []api.File{{Name: file, Content: string(body)}}}
	if isJSON(mt) && !isDocument(body) {
		req = api.ApplyRequest{}
		if err := decodeJSON(body, &req); err != nil {
			return err
		}
		req.Set = nameOr(req.Set, set)
	}
	result, err := s.opts.Config.Apply(r.Context(), r.actor, r.project, req, opts)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, result)
}

func (s *Server) listResources(w http.ResponseWriter, r *request, id schema.Ref) error {
	q := r.query()
	cursor, limit := q.text("cursor"), q.number("limit", 1, 1000)
	if q.err != nil {
		return q.err
	}
	page, err := s.opts.Config.List(r.Context(), r.project, id.Kind, cursor, int(limit))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, page)
}

func (s *Server) getResource(w http.ResponseWriter, r *request, id schema.Ref) error {
	q := r.query()
	revision := q.number("revision", 1, 1<<62)
	if q.err != nil {
		return q.err
	}
	res, err := s.opts.Config.Get(r.Context(), r.project, id, revision)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", api.ETag(res.Status.Revision))
	return writeJSON(w, http.StatusOK, res)
}

func (s *Server) putResource(w http.ResponseWriter, r *request, id schema.Ref) error {
	cond, err := condition(r.Request)
	if err != nil {
		return err
	}
	body, err := readBody(r.Request)
	if err != nil {
		return err
	}
	res, action, warnings, err := s.opts.Config.Put(r.Context(), r.actor, r.project, id, body, cond)
	if err != nil {
		return err
	}
	for _, d := range warnings {
		w.Header().Add("Warning", "299 - "+strconv.QuoteToASCII(d.Message)) // RFC 7234 section 5.5
	}
	w.Header().Set("ETag", api.ETag(res.Status.Revision))
	if action == api.ActionCreate {
		w.Header().Set("Location", r.URL.Path)
		return writeJSON(w, http.StatusCreated, res)
	}
	return writeJSON(w, http.StatusOK, res)
}

func (s *Server) deleteResource(w http.ResponseWriter, r *request, id schema.Ref) error {
	q := r.query()
	force := q.boolean("force")
	cond, err := condition(r.Request)
	if err == nil {
		err = q.err
	}
	if err == nil {
		err = s.opts.Config.Delete(r.Context(), r.actor, r.project, id, cond, force)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) listRevisions(w http.ResponseWriter, r *request, id schema.Ref) error {
	q := r.query()
	limit := q.number("limit", 1, 1000)
	if q.err != nil {
		return q.err
	}
	page, err := s.opts.Config.History(r.Context(), r.project, id, int(limit))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, page)
}

func (s *Server) rollback(w http.ResponseWriter, r *request, id schema.Ref) error {
	cond, err := condition(r.Request)
	if err != nil {
		return err
	}
	var req api.RollbackRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	res, err := s.opts.Config.Rollback(r.Context(), r.actor, r.project, id, req.Revision, cond)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", api.ETag(res.Status.Revision))
	return writeJSON(w, http.StatusOK, res)
}

func (s *Server) listKeys(w http.ResponseWriter, r *request) error {
	keys, err := s.opts.Config.ListKeys(r.Context(), r.project)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, api.List[api.Key]{Items: keys})
}

func (s *Server) createKey(w http.ResponseWriter, r *request) error {
	var req api.CreateKeyRequest
	ok, err := decodeBody(r.Request, &req)
	if err != nil {
		return err
	}
	if !ok {
		return badRequest("a key needs a name and a role")
	}
	key, err := s.opts.Config.CreateKey(r.Context(), r.actor, r.project, req)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, key)
}

func (s *Server) deleteKey(w http.ResponseWriter, r *request) error {
	if err := s.opts.Config.DeleteKey(r.Context(), r.actor, r.project, r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
