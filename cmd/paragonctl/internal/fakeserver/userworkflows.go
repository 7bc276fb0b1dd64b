package fakeserver

import (
	"encoding/json"
	"net/http"
	"strings"

	"paragon/schema"
	"paragon/schema/api"
)

// forUsers are the workflows with users of every project here: digest asks for a
// channel, greeting is enabled by default, premium nobody may have.
func forUsers() []api.UserWorkflow {
	return []api.UserWorkflow{
		{Workflow: "digest", Default: true, Reason: api.ReasonDisabled},
		{Workflow: "greeting", Enabled: true, Default: true, Active: true},
		{Workflow: "premium", Default: true, Reason: api.ReasonNotAllowed, Detail: "allow is false for this user"},
	}
}

// chosen is what a user has of workflows; the caller holds the lock.
func (s *Server) chosen(user string) ([]api.UserWorkflow, error) {
	if _, err := s.userAt(user); err != nil {
		return nil, err
	}
	if s.product.workflows == nil {
		s.product.workflows = map[string][]api.UserWorkflow{}
	}
	if s.product.workflows[user] == nil {
		s.product.workflows[user] = forUsers()
	}
	return s.product.workflows[user], nil
}

func (s *Server) listUserWorkflows(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.chosen(r.PathValue("id"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.List[api.UserWorkflow]{Items: list})
}

func (s *Server) putUserWorkflow(w http.ResponseWriter, r *http.Request) error {
	var req api.PutUserWorkflowRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.chosen(r.PathValue("id"))
	if err != nil {
		return err
	}
	for i := range list {
		one := &list[i]
		if one.Workflow != r.PathValue("name") {
			continue
		}
		switch {
		case *req.Enabled && one.Reason == api.ReasonNotAllowed:
			return problem(403, schema.ProblemForbidden, "the user may not have workflow %q: %s", one.Workflow, one.Detail)
		case *req.Enabled && one.Workflow == "digest" && !strings.Contains(string(req.Settings)+string(one.Settings), "channel"):
			return problem(422, schema.ProblemInvalid, "the settings do not fit workflow %q: settings.channel is missing", one.Workflow)
		}
		if req.Settings != nil {
			one.Settings = req.Settings
		}
		one.Enabled, one.Active, one.Default, one.Reason = *req.Enabled, *req.Enabled, false, ""
		if !one.Enabled {
			one.Reason = api.ReasonDisabled
		}
		one.UpdatedAt, one.UpdatedBy = Now, "ada"
		if at, _ := s.userAt(r.PathValue("id")); one.Active && s.product.users[at].Disabled {
			one.Active, one.Reason = false, api.ReasonUserDisabled
		}
		return answer(w, http.StatusOK, *one)
	}
	return problem(404, schema.ProblemNotFound, "there is no workflow %s for users", r.PathValue("name"))
}
