package fakeserver

import (
	"net/http"
	"slices"

	"paragon/schema"
	"paragon/schema/api"
)

// record keeps a release of what was applied.
func (s *Server) record(req *api.ApplyRequest, result *api.ApplyResult) {
	r := api.Release{Name: req.Release, Set: req.Set, Commit: req.Commit, CreatedAt: Now, CreatedBy: "ada", Items: []api.ReleaseItem{}}
	for _, i := range result.Items {
		item := api.ReleaseItem{Ref: i.Ref, Action: i.Action, Revision: i.Revision}
		if i.Action != api.ActionCreate {
			item.Before = i.Revision - 1
		}
		r.Items = append(r.Items, item)
	}
	s.releases = slices.Insert(s.releases, 0, r)
}

func (s *Server) listReleases(w http.ResponseWriter, _ *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return answer(w, http.StatusOK, api.List[api.Release]{Items: slices.Clone(s.releases)})
}

func (s *Server) release(r *http.Request) (*api.Release, error) {
	name := r.PathValue("name")
	if at := slices.IndexFunc(s.releases, func(x api.Release) bool { return x.Name == name }); at >= 0 {
		return &s.releases[at], nil
	}
	return nil, problem(404, schema.ProblemNotFound, "there is no release %s", name)
}

func (s *Server) getRelease(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.release(r)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, found)
}

// compareReleases shows what the release changed: enough to see how a client
// shows it.
func (s *Server) compareReleases(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.release(r)
	if err != nil {
		return err
	}
	out := api.Comparison{Items: []api.ApplyItem{}}
	for _, i := range found.Items {
		if r.URL.Query().Get("to") != "" && i.Action != api.ActionUnchanged {
			out.Changed = true
			out.Items = append(out.Items, api.ApplyItem{Ref: i.Ref, Action: i.Action, Revision: i.Revision,
				Changes: []api.FieldChange{{Field: "spec.description", Before: []byte(`"old"`), After: []byte(`"new"`)}}})
		}
	}
	return answer(w, http.StatusOK, out)
}

func (s *Server) rollbackRelease(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.release(r)
	if err != nil {
		return err
	}
	out := api.ApplyResult{DryRun: r.URL.Query().Get("dryRun") == "true", Changed: true}
	for _, i := range found.Items {
		out.Items = append(out.Items, api.ApplyItem{Ref: i.Ref, Action: api.ActionUpdate, Revision: i.Revision + 1})
	}
	return answer(w, http.StatusOK, out)
}

func (s *Server) compareRevisions(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	if q.Get("from") == q.Get("to") {
		return answer(w, http.StatusOK, api.Comparison{Items: []api.ApplyItem{}})
	}
	return answer(w, http.StatusOK, api.Comparison{Changed: true, Items: []api.ApplyItem{{
		Ref: schema.Ref{Kind: schema.KindWorkflow, Name: r.PathValue("name")}, Action: api.ActionUpdate,
		Changes: []api.FieldChange{{Field: "spec.description", Before: []byte(`"old"`), After: []byte(`"new"`)}},
	}}})
}
