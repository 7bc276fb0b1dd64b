package fakeserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"paragon/schema"
	"paragon/schema/api"
)

// event starts a run of each workflow with a trigger of the name, and tells one
// run when the name begins with "wait.". An id that came before changes nothing.
func (s *Server) event(w http.ResponseWriter, r *http.Request) error {
	var req api.EventRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := api.EventResult{ID: req.ID, Started: []string{}, Told: []string{}}
	if req.ID == "" {
		out.ID = fmt.Sprintf("e%d", len(s.events)+1)
	}
	if s.events[out.ID] {
		return answer(w, http.StatusOK, out)
	}
	s.events[out.ID] = true
	for _, ref := range s.refs(schema.KindWorkflow) {
		var spec schema.WorkflowSpec
		if json.Unmarshal(s.current(ref).Spec, &spec) != nil {
			continue
		}
		for _, t := range spec.Triggers {
			if t.Event != nil && t.Event.Name == req.Name {
				out.Started = append(out.Started, "r-"+ref.Name)
			}
		}
	}
	if strings.HasPrefix(req.Name, "wait.") {
		out.Told = append(out.Told, "r-waiting")
	}
	return answer(w, http.StatusOK, out)
}
