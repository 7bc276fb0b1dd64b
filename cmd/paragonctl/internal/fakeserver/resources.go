package fakeserver

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"paragon/cmd/paragonctl/internal/source"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

// current returns the newest revision of a resource, nil when there is none or
// it is deleted.
func (s *Server) current(ref schema.Ref) *api.StoredResource {
	list := s.resources[ref]
	if len(list) == 0 || list[len(list)-1].Status.Deleted {
		return nil
	}
	return &list[len(list)-1]
}

func (s *Server) apply(w http.ResponseWriter, r *http.Request) error {
	var req api.ApplyRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	set := source.Check(req.Files)
	set.ForServer()
	if !set.Valid() {
		return &schema.Problem{Type: schema.ProblemInvalid, Title: "Invalid", Status: 422, Detail: "the documents are not valid", Errors: set.Findings}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	result := api.ApplyResult{DryRun: r.URL.Query().Get("dryRun") == "true", Items: []api.ApplyItem{}}
	named := map[schema.Ref]bool{}
	var writes []func()
	for _, d := range set.Documents {
		if d.Metadata.Labels["fake"] == "refused" {
			return &schema.Problem{Type: schema.ProblemInvalid, Title: "Invalid", Status: 422, Detail: "1 document refers to what is not there", Errors: []schema.Diagnostic{{
				Severity: schema.SeverityError, Code: "unknown-secret", Message: "secret CRM_TOKEN does not exist", Suggestion: "set it with `paragonctl secret set CRM_TOKEN`",
				Resource: d.Ref().String(), File: d.File, Line: 2, Column: 7, Source: "kind: Workflow",
			}}}
		}
		if d.Metadata.Labels["fake"] == "moved" {
			return problem(412, schema.ProblemPrecondition, "%s has another revision by now", d.Ref())
		}
		named[d.Ref()] = true
		next := api.StoredResource{Resource: d.Resource, Status: api.ResourceStatus{UpdatedAt: Now, UpdatedBy: "ada", Source: d.File}}
		if req.Set != "" {
			next.Status.Source += " @ " + req.Set
		}
		next.APIVersion = schema.APIVersion
		if d.Kind == schema.KindSecret {
			var err error
			if next.Spec, err = sealed(d.Resource, req.Values); err != nil {
				return err
			}
		}
		sum := sha256.Sum256(append(slices.Clone(next.Spec), fmt.Sprint(next.Metadata.Labels)...))
		next.Status.Digest = hex.EncodeToString(sum[:])
		item := api.ApplyItem{Ref: d.Ref(), Action: api.ActionCreate}
		before := s.current(d.Ref())
		if before != nil {
			item.Action, item.Revision = api.ActionUpdate, before.Status.Revision
			for _, f := range workflows.Diff([]schema.Resource{before.Resource}, []schema.Resource{next.Resource})[0].Fields {
				item.Changes = append(item.Changes, api.FieldChange(f))
			}
			if before.Status.Digest == next.Status.Digest {
				item.Action = api.ActionUnchanged
			}
		}
		if item.Action != api.ActionUnchanged {
			result.Changed = true
			next.Status.Revision = int64(len(s.resources[d.Ref()])) + 1
			if !result.DryRun {
				item.Revision = next.Status.Revision
			}
			writes = append(writes, func() { s.resources[d.Ref()] = append(s.resources[d.Ref()], next) })
		}
		result.Items = append(result.Items, item)
	}
	if r.URL.Query().Get("prune") == "true" {
		for _, ref := range s.refs("") {
			now := s.current(ref)
			if named[ref] || !strings.HasSuffix(now.Status.Source, " @ "+req.Set) {
				continue
			}
			result.Changed = true
			result.Items = append(result.Items, api.ApplyItem{Ref: ref, Action: api.ActionDelete, Revision: now.Status.Revision})
			writes = append(writes, func() { s.end(ref) })
		}
	}
	if !result.DryRun {
		for _, write := range writes {
			write()
		}
		if req.Release != "" {
			s.record(&req, &result)
		}
	}
	return answer(w, http.StatusOK, result)
}

// sealed is a secret's spec without its value.
func sealed(r schema.Resource, values map[string]string) (json.RawMessage, error) {
	var spec schema.SecretSpec
	if err := json.Unmarshal(r.Spec, &spec); err != nil {
		return nil, err
	}
	value := spec.Value
	if spec.ValueFrom != nil {
		var ok bool
		if value, ok = values[r.Metadata.Name]; !ok {
			return nil, problem(422, schema.ProblemInvalid, "secret %s has no value", r.Metadata.Name)
		}
	}
	sum := sha256.Sum256([]byte("key" + value))
	return json.Marshal(schema.SecretSpec{Description: spec.Description, Digest: hex.EncodeToString(sum[:8])})
}

// refs lists what is there, of one kind or all, in name order.
func (s *Server) refs(kind schema.Kind) []schema.Ref {
	var refs []schema.Ref
	for ref := range s.resources {
		if s.current(ref) != nil && (kind == "" || ref.Kind == kind) {
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, func(a, b schema.Ref) int { return strings.Compare(a.String(), b.String()) })
	return refs
}

func (s *Server) end(ref schema.Ref) {
	last := *s.current(ref)
	last.Status.Revision++
	last.Status.Deleted = true
	s.resources[ref] = append(s.resources[ref], last)
}

func refOf(r *http.Request) (schema.Ref, error) {
	for _, kind := range schema.Kinds {
		if kind.Path() == r.PathValue("kind") {
			return schema.Ref{Kind: kind, Name: r.PathValue("name")}, nil
		}
	}
	return schema.Ref{}, problem(404, schema.ProblemNotFound, "there is no %s", r.URL.Path)
}

func missing(ref schema.Ref) error {
	return problem(404, schema.ProblemNotFound, "%s does not exist", ref)
}

// list answers in pages of two, so that paging is always at work.
func (s *Server) list(w http.ResponseWriter, r *http.Request) error {
	ref, err := refOf(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	page := api.List[api.StoredResource]{Items: []api.StoredResource{}}
	after := r.URL.Query().Get("cursor")
	for _, ref := range s.refs(ref.Kind) {
		if ref.Name <= after {
			continue
		}
		if len(page.Items) == 2 {
			page.NextCursor = page.Items[1].Metadata.Name
			break
		}
		page.Items = append(page.Items, *s.current(ref))
	}
	return answer(w, http.StatusOK, page)
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) error {
	ref, err := refOf(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.current(ref)
	if now == nil {
		return missing(ref)
	}
	w.Header().Set("ETag", api.ETag(now.Status.Revision))
	return answer(w, http.StatusOK, now)
}

func (s *Server) delete(w http.ResponseWriter, r *http.Request) error {
	ref, err := refOf(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.current(ref)
	if now == nil {
		return missing(ref)
	}
	if match := r.Header.Get("If-Match"); match != "" && match != api.ETag(now.Status.Revision) {
		return problem(412, schema.ProblemPrecondition, "%s has revision %d by now", ref, now.Status.Revision)
	}
	s.end(ref)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) revisions(w http.ResponseWriter, r *http.Request) error {
	ref, err := refOf(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.resources[ref])
	if len(list) == 0 {
		return missing(ref)
	}
	slices.Reverse(list)
	return answer(w, http.StatusOK, api.List[api.StoredResource]{Items: list})
}

func (s *Server) rollback(w http.ResponseWriter, r *http.Request) error {
	ref, err := refOf(r)
	if err != nil {
		return err
	}
	var req api.RollbackRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.resources[ref]
	if req.Revision == 0 {
		req.Revision = int64(len(list)) - 1
	}
	if req.Revision < 1 || req.Revision > int64(len(list)) {
		return problem(404, schema.ProblemNotFound, "%s has no revision %d", ref, req.Revision)
	}
	next := list[req.Revision-1]
	next.Status.Revision = int64(len(list)) + 1
	next.Status.Deleted = false
	s.resources[ref] = append(list, next)
	return answer(w, http.StatusOK, next)
}
