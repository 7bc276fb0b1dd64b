package httpapi

import (
	"context"
	"net/http"

	"paragon/engine/config"
	"paragon/schema/api"
)

// Fleet shows what executes runs.
type Fleet interface {
	// Workers lists the workers that are known, alive or silent.
	Workers(ctx context.Context) ([]api.Worker, error)
}

// fleetRoutes show the workers.
func (s *Server) fleetRoutes() []route {
	if s.opts.Fleet == nil {
		return nil
	}
	return []route{{
		method: "GET", path: pathProject + "/workers", access: member, action: config.ActionReadRuns, id: "listWorkers", tag: "fleet",
		summary: "List the workers, and how many runs each has",
		answers: []answer{{status: http.StatusOK, body: typeOf[api.List[api.Worker]]()}}, serve: s.listWorkers,
	}}
}

func (s *Server) listWorkers(w http.ResponseWriter, r *request) error {
	items, err := s.opts.Fleet.Workers(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, api.List[api.Worker]{Items: append([]api.Worker{}, items...)})
}
