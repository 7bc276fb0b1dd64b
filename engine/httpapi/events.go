package httpapi

import (
	"net/http"

	"paragon/engine/execution"
	"paragon/schema/api"
)

// maxEventName bounds an event's name, which is part of keys.
const maxEventName = 200

func (s *Server) sendEvent(w http.ResponseWriter, r *request) error {
	var req api.EventRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	if req.Name == "" || len(req.Name) > maxEventName {
		return badField("name", "an event has a name of at most %d characters", maxEventName)
	}
	req.ID = nameOr(req.ID, r.Header.Get("Idempotency-Key"))
	if checkIdempotencyKey(req.ID) != nil {
		return badField("id", "the id of an event has at most %d bytes, and no control characters", maxIdempotencyKey)
	}
	user, err := namedUser(r, req.User)
	if err != nil {
		return err
	}
	done, err := s.opts.Runs.Publish(r.Context(), execution.Event{
		Project: r.project, Name: req.Name, ID: req.ID, Data: req.Data, Actor: r.actor.Name, User: user,
		TraceParent: traceOf(r.Context()).Parent(),
	})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusAccepted, api.EventResult{ID: done.ID, Started: done.Started, Told: done.Told})
}
