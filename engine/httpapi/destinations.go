package httpapi

import (
	"context"
	"net/http"

	"paragon/engine/config"
	"paragon/schema"
	"paragon/schema/api"
)

// Destinations tells how sending to destinations goes, and steers it.
type Destinations interface {
	// Destinations lists a project's, Status is one of them, Deliveries lists the
	// latest messages to it.
	Destinations(ctx context.Context, project string) ([]api.Destination, error)
	Status(ctx context.Context, project, name string) (*api.Destination, error)
	Deliveries(ctx context.Context, project, name string) ([]api.Delivery, error)
	// Resume lets one be tried at once, Test has a message sent to it.
	Resume(ctx context.Context, project, name string) error
	Test(ctx context.Context, project, name string) (*api.Delivery, error)
}

// destinationRoutes are the routes of what was sent to destinations, and
// what was not.
func (s *Server) destinationRoutes() []route {
	d := s.opts.Destinations
	if d == nil {
		return nil
	}
	one := pathProject + "/destinations/{name}"
	object := func(r *request) string {
		return schema.Ref{Kind: schema.KindDestination, Name: r.PathValue("name")}.String()
	}
	return []route{
		{method: "GET", path: pathProject + "/destination-status", access: member, action: config.ActionReadConfig, id: "listDestinationStatus", tag: "destinations",
			summary: "List destinations with how sending to each goes",
			answers: []answer{{status: http.StatusOK, body: typeOf[api.List[api.Destination]]()}},
			serve: func(w http.ResponseWriter, r *request) error {
				items, err := d.Destinations(r.Context(), r.project)
				if err != nil {
					return err
				}
				return writeJSON(w, http.StatusOK, api.List[api.Destination]{Items: items})
			}},
		{method: "GET", path: one + "/status", access: member, action: config.ActionReadConfig, id: "getDestinationStatus", tag: "destinations",
			summary: "How sending to a destination goes",
			answers: []answer{{status: http.StatusOK, body: typeOf[api.Destination]()}},
			serve: func(w http.ResponseWriter, r *request) error {
				status, err := d.Status(r.Context(), r.project, r.PathValue("name"))
				if err != nil {
					return err
				}
				return writeJSON(w, http.StatusOK, status)
			}},
		{method: "GET", path: one + "/deliveries", access: member, action: config.ActionReadConfig, id: "listDeliveries", tag: "destinations",
			summary: "List the latest messages to a destination, newest first, with what came of each",
			answers: []answer{{status: http.StatusOK, body: typeOf[api.List[api.Delivery]]()}},
			serve: func(w http.ResponseWriter, r *request) error {
				items, err := d.Deliveries(r.Context(), r.project, r.PathValue("name"))
				if err != nil {
					return err
				}
				return writeJSON(w, http.StatusOK, api.List[api.Delivery]{Items: items})
			}},
		{method: "POST", path: one + "/resume", access: member, action: config.ActionOperateRuns, id: "resumeDestination", tag: "destinations",
			summary: "Try a destination at once, also one that was disabled",
			answers: []answer{{status: http.StatusNoContent}},
			serve: func(w http.ResponseWriter, r *request) error {
				if err := d.Resume(r.Context(), r.project, r.PathValue("name")); err != nil {
					return err
				}
				s.opts.Config.Did(r.Context(), r.actor, r.project, "resume", object(r), nil)
				w.WriteHeader(http.StatusNoContent)
				return nil
			}},
		{method: "POST", path: one + "/test", access: member, action: config.ActionOperateRuns, id: "testDestination", tag: "destinations",
			summary: "Have a message sent to a destination; what came of it is in its deliveries",
			answers: []answer{{status: http.StatusAccepted, body: typeOf[api.Delivery]()}},
			serve: func(w http.ResponseWriter, r *request) error {
				delivery, err := d.Test(r.Context(), r.project, r.PathValue("name"))
				if err != nil {
					return err
				}
				s.opts.Config.Did(r.Context(), r.actor, r.project, "test", object(r), nil)
				return writeJSON(w, http.StatusAccepted, delivery)
			}},
	}
}
