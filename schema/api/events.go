package api

import (
	"context"
	"encoding/json"
	"net/http"
)

// EventRequest is the body of POST …/events: something that happened, which
// starts runs by their event triggers and lets waiting runs go on.
type EventRequest struct {
	// Name is the event's name ("lead.approved").
	Name string `json:"name"`
	// ID makes a second event with the same one change nothing. By default a
	// new one is made.
	ID   string          `json:"id,omitempty"`
	Data json.RawMessage `json:"data,omitempty"`
	// User is the id of the user whom the event is for, the same as the header
	// Paragon-User: it starts workflows of users for this one alone, and runs of
	// others do not hear of it.
	User string `json:"user,omitempty"`
}

// EventResult answers POST …/events.
type EventResult struct {
	ID string `json:"id"`
	// Started lists the runs that the event started.
	Started []string `json:"started"`
	// Told lists the runs that waited for an event of its name: whether they
	// take it, their condition decides.
	Told []string `json:"told"`
}

// SendEvent sends an event. It is sent again by itself only when it has an ID.
func (c *Client) SendEvent(ctx context.Context, req EventRequest) (*EventResult, error) {
	r := &call{method: http.MethodPost, path: c.path("events"), again: req.ID != ""}
	if err := r.json(req); err != nil {
		return nil, err
	}
	var out EventResult
	r.into(&out)
	return &out, c.do(ctx, r)
}
