package httpapi

import (
	"context"
	"net/http"

	"paragon/engine/config"
	"paragon/schema"
	"paragon/schema/api"
)

// Fleet shows what executes runs.
type Fleet interface {
	// Workers lists the workers that are known, alive or silent.
	Workers(ctx context.Context) ([]api.Worker, error)
	// WorkerRuns lists the runs of a project that a worker has, newest first.
	WorkerRuns(ctx context.Context, project, worker, cursor string, limit int) (api.List[schema.Run], error)
}

// fleetRoutes show the workers.
func (s *Server) fleetRoutes() []route {
	if s.opts.Fleet == nil {
		return nil
	}
	return []route{
		{method: "GET", path: pathProject + "/workers", access: member, action: config.ActionReadRuns, id: "listWorkers", tag: "fleet",
			summary: "List the workers, and how many runs each has",
			answers: []answer{{status: http.StatusOK, body: typeOf[api.List[api.Worker]]()}}, serve: s.listWorkers},
		{method: "GET", path: pathProject + "/workers/{worker}/runs", access: member, action: config.ActionReadRuns, id: "listWorkerRuns", tag: "fleet",
			summary: "List the project's runs that a worker has now, newest first", params: []param{paramCursor, paramLimit},
			answers: []answer{{status: http.StatusOK, body: typeOf[api.List[schema.Run]]()}}, serve: s.listWorkerRuns},
	}
}

func (s *Server) listWorkerRuns(w http.ResponseWriter, r *request) error {
	q := r.query()
	cursor, limit := q.text("cursor"), q.number("limit", 1, 1000)
	if q.err != nil {
		return q.err
	}
	page, err := s.opts.Fleet.WorkerRuns(r.Context(), r.project, r.PathValue("worker"), cursor, int(limit))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, page)
}

func (s *Server) listWorkers(w http.ResponseWriter, r *request) error {
	items, err := s.opts.Fleet.Workers(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, api.List[api.Worker]{Items: append([]api.Worker{}, items...)})
}
