package httpapi

import (
	"encoding/json"
	"io"
	"net/http"

	"paragon/engine/connect/proxy"
	"paragon/engine/connect/proxy/later"
	"paragon/engine/execution"
	"paragon/schema"
)

// callLater makes a job of a call (RFC 7240 section 4.1), and answers with it.
func (s *Server) callLater(w http.ResponseWriter, r *request, call proxy.Call) error {
	key := r.Header.Get("Idempotency-Key")
	if err := checkIdempotencyKey(key); err != nil {
		return err
	}
	in := later.Input{
		Integration: call.Integration, User: call.User, Account: call.Account, Actor: call.Actor, Method: r.Method, Path: call.Path, Query: r.URL.RawQuery,
		Headers: proxy.PassedHeader(r.Header), TraceID: call.TraceID, At: s.now().UTC(),
	}
	if address := r.Header.Get(later.HeaderCallback); address != "" {
		secret := ""
		if p := s.opts.Cache.Project(r.project); p != nil {
			secret, _ = p.Secret(later.CallbackSecret)
		}
		if err := later.CheckCallback(address, secret); err != nil {
			return badField("header."+later.HeaderCallback, "the result can't be posted to %s: %v", address, err)
		}
		in.Callback = &address
	}
	var err error
	if in.Body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, later.MostSent)); err != nil {
		return tooLarge("the body of a call that is made later", later.MostSent)
	}
	if err := s.opts.Proxy.Check(r.Context(), r.Request, call); err != nil {
		return err
	}
	input, err := json.Marshal(&in)
	if err != nil {
		return err
	}
	req := execution.Request{
		Project: r.project, Workflow: later.Name, Own: true, Input: input, TraceParent: call.TraceParent,
		Trigger: schema.Trigger{Kind: "manual", ID: "proxy", Actor: r.actor.Name, Time: in.At},
	}
	if key != "" { // the same key of another caller, or for another API, is another one
		req.IdempotencyKey = call.Integration + "/" + call.User + "/" + call.Account + "/" + key
	}
	run, err := s.opts.Runs.Trigger(r.Context(), req)
	if err != nil {
		return err
	}
	job, err := later.JobOf(run)
	if err != nil {
		return err
	}
	w.Header().Set("Preference-Applied", "respond-async")
	w.Header().Set("Location", "/v1/projects/"+r.project+"/proxy-jobs/"+run.ID)
	return writeJSON(w, http.StatusAccepted, job)
}

// getProxyJob answers with a job; a user sees their own alone.
func (s *Server) getProxyJob(w http.ResponseWriter, r *request) error {
	q := r.query()
	wait := q.duration("wait", s.limits.Wait)
	if q.err != nil {
		return q.err
	}
	unknown := notFound("there is no call %s in project %s", r.PathValue("id"), r.project)
	run, err := s.opts.Runs.Get(r.Context(), r.project, r.PathValue("id"))
	if err != nil {
		return err
	}
	if run.Workflow != later.Name {
		return unknown
	}
	job, err := later.JobOf(run)
	if err != nil {
		return err
	}
	if r.user != nil && job.User != r.user.ID {
		return unknown
	}
	if wait > 0 && !run.Status.Ended() {
		if run, err = s.wait(w, r, run, wait); err != nil {
			return err
		}
		if job, err = later.JobOf(run); err != nil {
			return err
		}
	}
	return writeJSON(w, http.StatusOK, job)
}
