package fakeserver

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// proxy answers for the API of integration crm with what it was asked; /gone is
// not there.
func (s *Server) proxy(w http.ResponseWriter, r *http.Request) error {
	if r.PathValue("name") != "crm" {
		w.Header().Set("Paragon-Error", string(schema.ProblemNotFound))
		return &schema.Problem{Type: schema.ProblemNotFound, Title: "Not found", Status: http.StatusNotFound, Detail: "there is no integration " + r.PathValue("name")}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if r.PathValue("path") == "gone" {
		status = http.StatusGone
	}
	text := fmt.Sprintf("%s /%s?%s for %s %s: %s %q\n", r.Method, r.PathValue("path"), r.URL.RawQuery,
		r.Header.Get("Paragon-User"), r.Header.Get("Paragon-Account"), r.Header.Get("X-Own"), body)
	if r.Header.Get("Prefer") == "respond-async" {
		return s.callLater(w, r, &api.ProxyAnswer{Status: status, Headers: map[string][]string{"X-Far": {"side"}}, Body: text})
	}
	w.Header().Set("X-Far", "side")
	w.WriteHeader(status)
	_, err = io.WriteString(w, text)
	return err
}

// proxyJob is a job, and how it ends.
type proxyJob struct {
	now, end api.ProxyJob
}

// callLater makes a job that has ended when it is asked for a second time: for
// /lost without an answer, else with the one that is given. With a callback the
// answer ends with its address.
func (s *Server) callLater(w http.ResponseWriter, r *http.Request, a *api.ProxyAnswer) error {
	if to := r.Header.Get("Paragon-Callback"); to != "" {
		a.Body += "told " + to + "\n"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := fmt.Sprintf("r%026d", len(s.jobs)+1)
	job := api.ProxyJob{ID: id, Status: string(schema.RunQueued), Integration: r.PathValue("name"), User: r.Header.Get("Paragon-User"),
		Method: r.Method, Path: "/" + r.PathValue("path"), CreatedAt: Now}
	end := job
	end.Status, end.EndedAt, end.Answer = string(schema.RunSucceeded), &Now, a
	switch r.PathValue("path") {
	case "lost":
		end.Answer, end.Error = nil, &schema.RunError{Type: "interrupted", Message: "nobody knows whether it arrived"}
	case "canceled":
		end.Answer, end.Status = nil, string(schema.RunCanceled)
	}
	s.jobs = append(s.jobs, &proxyJob{now: job, end: end})
	w.Header().Set("Preference-Applied", "respond-async")
	w.Header().Set("Location", "/v1/projects/"+r.PathValue("project")+"/proxy-jobs/"+id)
	return answer(w, http.StatusAccepted, job)
}

func (s *Server) getProxyJob(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		if j.now.ID == r.PathValue("id") {
			asked := j.now
			j.now = j.end
			return answer(w, http.StatusOK, asked)
		}
	}
	return problem(404, schema.ProblemNotFound, "there is no call %s in project default", r.PathValue("id"))
}

// proxyCalls are those in the log, newest first.
var proxyCalls = []schema.ProxyCall{
	{ID: "p3", Integration: "crm", User: "u_2", Method: "POST", Path: "/contacts", Status: 504, ErrorType: schema.ProxyErrorTimeout, Error: "no answer within 30s",
		Sent: 17, Attempts: 1, StartedAt: Now.Add(-time.Minute), DurationMs: 30000, Job: "r1"},
	{ID: "p2", Integration: "crm", User: "u_1", Account: "work", Actor: "ada", Method: "GET", Path: "/contacts", Status: 200,
		Received: 4096, Attempts: 2, StartedAt: Now.Add(-time.Hour), DurationMs: 12.5},
	{ID: "p1", Integration: "files", Method: "GET", Path: "/report.pdf", Attempts: 1, ErrorType: schema.ProxyErrorCanceled, Error: "the caller went away",
		StartedAt: Now.Add(-50 * time.Hour), DurationMs: 3},
}

// listProxyCalls answers with pages of two at most.
func (s *Server) listProxyCalls(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	since, _ := time.Parse(time.RFC3339Nano, q.Get("since"))
	until, err := time.Parse(time.RFC3339Nano, q.Get("until"))
	if err != nil {
		until = Now
	}
	page := api.List[schema.ProxyCall]{Items: []schema.ProxyCall{}}
	for _, c := range proxyCalls {
		if name := q.Get("integration"); name != "" && c.Integration != name {
			continue
		}
		if user := q.Get("user"); user != "" && c.User != user {
			continue
		}
		if q.Get("failed") == "true" && c.Status != 0 && c.Status < 400 || c.StartedAt.Before(since) || !c.StartedAt.Before(until) {
			continue
		}
		if cursor := q.Get("cursor"); cursor != "" && c.ID >= cursor {
			continue
		}
		if len(page.Items) == 2 {
			page.NextCursor = page.Items[1].ID
			break
		}
		page.Items = append(page.Items, c)
	}
	return answer(w, http.StatusOK, page)
}
