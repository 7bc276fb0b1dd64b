package httpapi

import (
	"context"
	"net/http"

	"paragon/engine/config"
	"paragon/schema"
	"paragon/schema/api"
)

// Steering is what operators hold and let go of the execution plane.
type Steering interface {
	// Queues shows every queue.
	Queues(ctx context.Context) ([]api.Queue, error)
	// PauseQueue and ResumeQueue steer a queue ("0/high").
	PauseQueue(ctx context.Context, name, actor string) error
	ResumeQueue(ctx context.Context, name string) error
	// PausedWorkflows lists a project's paused workflows.
	PausedWorkflows(ctx context.Context, project string) ([]api.PausedWorkflow, error)
	// PauseWorkflow and ResumeWorkflow hold a workflow's runs and let them go.
	PauseWorkflow(ctx context.Context, project, name, actor string) error
	ResumeWorkflow(ctx context.Context, project, name string) error
}

// steeringRoutes are the routes of queues and of what is paused.
func (s *Server) steeringRoutes() []route {
	none := []answer{{status: http.StatusNoContent}}
	// done acts, and writes to the audit log what was done to what.
	done := func(action string, object func(r *request) string, do func(r *request) error) func(http.ResponseWriter, *request) error {
		return func(w http.ResponseWriter, r *request) error {
			if err := do(r); err != nil {
				return err
			}
			s.opts.Config.Did(r.Context(), r.actor, r.project, action, object(r), nil)
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
	}
	queueName := func(r *request) string { return r.PathValue("lane") + "/" + r.PathValue("priority") }
	queue := func(r *request) string { return "queue/" + queueName(r) }
	workflow := func(r *request) string { return "workflow/" + r.PathValue("name") }
	return []route{
		{method: "GET", path: pathProject + "/queues", access: member, action: config.ActionReadRuns, id: "listQueues", tag: "queues",
			summary: "List the installation's queues: how many runs wait, and since when the oldest does",
			answers: []answer{{status: http.StatusOK, body: typeOf[api.List[api.Queue]]()}},
			serve: func(w http.ResponseWriter, r *request) error {
				queues, err := s.opts.Runs.Queues(r.Context())
				if err != nil {
					return err
				}
				return writeJSON(w, http.StatusOK, api.List[api.Queue]{Items: queues})
			}},
		{method: "POST", path: pathProject + "/queues/{lane}/{priority}/pause", access: member, action: config.ActionOperateRuns, id: "pauseQueue", tag: "queues",
			summary: "Keep workers from taking runs from a queue; for keys of project default", answers: none,
			serve: done("pause", queue, func(r *request) error {
				if err := ownsQueues(r); err != nil {
					return err
				}
				return s.opts.Runs.PauseQueue(r.Context(), queueName(r), r.actor.Name)
			})},
		{method: "POST", path: pathProject + "/queues/{lane}/{priority}/resume", access: member, action: config.ActionOperateRuns, id: "resumeQueue", tag: "queues",
			summary: "Let workers take runs from a queue again; for keys of project default", answers: none,
			serve: done("resume", queue, func(r *request) error {
				if err := ownsQueues(r); err != nil {
					return err
				}
				return s.opts.Runs.ResumeQueue(r.Context(), queueName(r))
			})},
		{method: "GET", path: pathProject + "/paused", access: member, action: config.ActionReadRuns, id: "listPaused", tag: "queues",
			summary: "List the paused workflows",
			answers: []answer{{status: http.StatusOK, body: typeOf[api.List[api.PausedWorkflow]]()}},
			serve: func(w http.ResponseWriter, r *request) error {
				paused, err := s.opts.Runs.PausedWorkflows(r.Context(), r.project)
				if err != nil {
					return err
				}
				return writeJSON(w, http.StatusOK, api.List[api.PausedWorkflow]{Items: paused})
			}},
		{method: "POST", path: pathProject + "/workflows/{name}/pause", access: member, action: config.ActionOperateRuns, id: "pauseWorkflow", tag: "queues",
			summary: "Hold the runs of a workflow that have not begun", answers: none,
			serve: done("pause", workflow, func(r *request) error {
				return s.opts.Runs.PauseWorkflow(r.Context(), r.project, r.PathValue("name"), r.actor.Name)
			})},
		{method: "POST", path: pathProject + "/workflows/{name}/resume", access: member, action: config.ActionOperateRuns, id: "resumeWorkflow", tag: "queues",
			summary: "Let the held runs of a workflow go", answers: none,
			serve: done("resume", workflow, func(r *request) error {
				return s.opts.Runs.ResumeWorkflow(r.Context(), r.project, r.PathValue("name"))
			})},
	}
}

// ownsQueues refuses keys of projects that share the installation: its queues
// carry the runs of all.
func ownsQueues(r *request) error {
	if r.project == schema.DefaultProject {
		return nil
	}
	return &schema.Problem{
		Type: schema.ProblemForbidden, Title: "Forbidden", Status: http.StatusForbidden,
		Detail: "a queue carries the runs of all projects: use a key of project " + schema.DefaultProject + ", or pause your workflows instead",
	}
}
