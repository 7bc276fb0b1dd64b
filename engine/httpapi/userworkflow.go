package httpapi

import (
	"net/http"

	"paragon/engine/config"
	"paragon/schema/api"
)

// userWorkflowRoutes are the routes of what users chose of workflows.
func (s *Server) userWorkflowRoutes() []route {
	if s.opts.Enrol == nil {
		return nil
	}
	path := pathProject + "/users/{id}/workflows"
	one := []answer{{status: http.StatusOK, body: typeOf[api.UserWorkflow]()}}
	return []route{
		{method: "GET", path: path, access: connected, action: config.ActionReadUsers, id: "listUserWorkflows", tag: "users",
			summary: "List the workflows with users as they are for one of them",
			answers: []answer{{status: http.StatusOK, body: typeOf[api.List[api.UserWorkflow]]()}}, serve: s.listUserWorkflows},
		{method: "GET", path: path + "/{name}", access: connected, action: config.ActionReadUsers, id: "getUserWorkflow", tag: "users",
			summary: "Read whether a workflow runs for a user, and what the user set", answers: one, serve: s.getUserWorkflow},
		{method: "PUT", path: path + "/{name}", access: connected, action: config.ActionWriteUsers, id: "putUserWorkflow", tag: "users",
			summary: "Enable or disable a workflow for a user, or set the user's settings", body: typeOf[api.PutUserWorkflowRequest](),
			answers: one, serve: s.putUserWorkflow},
		{method: "DELETE", path: path + "/{name}", access: connected, action: config.ActionWriteUsers, id: "deleteUserWorkflow", tag: "users",
			summary: "Forget what a user chose: what the workflow has by default holds again",
			answers: []answer{{status: http.StatusNoContent}}, serve: s.deleteUserWorkflow},
	}
}

func (s *Server) listUserWorkflows(w http.ResponseWriter, r *request) error {
	id := r.PathValue("id")
	if err := r.own(id); err != nil {
		return err
	}
	list, err := s.opts.Enrol.List(r.Context(), r.project, id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, api.List[api.UserWorkflow]{Items: list})
}

func (s *Server) getUserWorkflow(w http.ResponseWriter, r *request) error {
	id := r.PathValue("id")
	if err := r.own(id); err != nil {
		return err
	}
	one, err := s.opts.Enrol.Get(r.Context(), r.project, id, r.PathValue("name"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, one)
}

func (s *Server) putUserWorkflow(w http.ResponseWriter, r *request) error {
	id := r.PathValue("id")
	if err := r.own(id); err != nil {
		return err
	}
	var req api.PutUserWorkflowRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	one, err := s.opts.Enrol.Put(r.Context(), r.author(), r.project, id, r.PathValue("name"), req)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, one)
}

func (s *Server) deleteUserWorkflow(w http.ResponseWriter, r *request) error {
	id := r.PathValue("id")
	if err := r.own(id); err != nil {
		return err
	}
	if err := s.opts.Enrol.Delete(r.Context(), r.author(), r.project, id, r.PathValue("name")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
