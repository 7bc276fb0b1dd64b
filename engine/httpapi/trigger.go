package httpapi

import (
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"paragon/engine/execution"
	"paragon/schema"
	"paragon/schema/api"
)

// maxIdempotencyKey bounds an idempotency key, in bytes.
const maxIdempotencyKey = 255

// trigger starts a run, and waits for it when asked to.
func (s *Server) trigger(w http.ResponseWriter, r *request) error {
	q := r.query()
	wait := q.duration("wait", s.limits.Wait)
	if q.err != nil {
		return q.err
	}
	mt, err := mediaType(r.Request)
	if err != nil {
		return err
	}
	if mt == api.ContentTypeNDJSON || mt == "application/jsonl" {
		if wait > 0 {
			return badField("query.wait", "wait goes with one run, not with many")
		}
		return s.triggerMany(w, r)
	}
	if err := s.admitInput(w, r); err != nil {
		return err
	}
	var body api.TriggerRequest
	if _, err := decodeBody(r.Request, &body); err != nil {
		return err
	}
	header := r.Header.Get("Idempotency-Key")
	if header != "" && body.IdempotencyKey != "" && header != body.IdempotencyKey {
		return badField("idempotencyKey", "the body's idempotencyKey differs from the Idempotency-Key header")
	}
	body.IdempotencyKey = nameOr(header, body.IdempotencyKey)
	run, err := s.start(r, body)
	if err != nil {
		return err
	}
	if wait > 0 && !run.Status.Ended() {
		if run, err = s.wait(w, r, run, wait); err != nil {
			return err
		}
	}
	w.Header().Set("Location", runPath(r.project, run.ID))
	if wait > 0 && run.Status.Ended() {
		return writeJSON(w, http.StatusOK, run)
	}
	return writeJSON(w, http.StatusAccepted, run)
}

// admitInput bounds the body of a trigger that starts one run.
func (s *Server) admitInput(w http.ResponseWriter, r *request) error {
	limit, size := s.limits.Input, r.ContentLength
	if size > limit {
		return tooLarge("the body", limit)
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	if size < 0 {
		size = limit
	}
	return s.bodies.hold(r, size-r.held)
}

// start starts one run by hand.
func (s *Server) start(r *request, body api.TriggerRequest) (*schema.Run, error) {
	if err := checkIdempotencyKey(body.IdempotencyKey); err != nil {
		return nil, err
	}
	if err := s.mayStart(r, r.PathValue("name")); err != nil {
		return nil, err
	}
	user, err := namedUser(r, body.User)
	if err != nil {
		return nil, err
	}
	return s.opts.Runs.Trigger(r.Context(), execution.Request{
		Project: r.project, Workflow: r.PathValue("name"), Input: nullAsNone(body.Input),
		Trigger: schema.Trigger{Kind: "manual", Actor: r.actor.Name, Time: s.now().UTC()},
		User:    user, IdempotencyKey: body.IdempotencyKey, TraceParent: traceOf(r.Context()).Parent(),
	})
}

// nullAsNone is nil for JSON null.
func nullAsNone(input json.RawMessage) json.RawMessage {
	if string(input) == "null" {
		return nil
	}
	return input
}

func checkIdempotencyKey(key string) error {
	if len(key) > maxIdempotencyKey || !utf8.ValidString(key) {
		return badField("idempotencyKey", "an idempotency key has at most %d bytes", maxIdempotencyKey)
	}
	for _, c := range key {
		if c < ' ' || c == 0x7f {
			return badField("idempotencyKey", "an idempotency key has no control characters")
		}
	}
	return nil
}
