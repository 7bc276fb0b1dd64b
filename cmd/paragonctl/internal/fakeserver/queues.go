package fakeserver

import (
	"net/http"
	"slices"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// steering are the routes of queues, of what is paused, and of statistics.
func (s *Server) steering(project string) map[string]func(http.ResponseWriter, *http.Request) error {
	return map[string]func(http.ResponseWriter, *http.Request) error{
		"GET " + project + "/queues":                           s.listQueues,
		"POST " + project + "/queues/{lane}/{priority}/{verb}": s.steer,
		"GET " + project + "/paused":                           s.listPaused,
		"GET " + project + "/stats":                            s.stats,
		"POST " + project + "/workflows/{name}/pause":          s.verb("pause"),
		"POST " + project + "/workflows/{name}/resume":         s.verb("resume"),
	}
}

func (s *Server) listQueues(w http.ResponseWriter, _ *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := api.List[api.Queue]{}
	for _, p := range []schema.Priority{schema.PriorityHigh, schema.PriorityNormal, schema.PriorityLow} {
		name := "0/" + string(p)
		q := api.Queue{Name: name, Priority: p, Paused: slices.Contains(s.paused, name)}
		if p == schema.PriorityNormal {
			q.Runs, q.Oldest = 1200, Now.Add(-90*time.Second)
		}
		list.Items = append(list.Items, q)
	}
	return answer(w, http.StatusOK, list)
}

func (s *Server) listPaused(w http.ResponseWriter, _ *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := api.List[api.PausedWorkflow]{Items: []api.PausedWorkflow{}}
	for ref := range s.resources {
		if ref.Kind == schema.KindWorkflow && slices.Contains(s.paused, ref.Name) {
			list.Items = append(list.Items, api.PausedWorkflow{Workflow: ref.Name, Since: Now.Add(-time.Hour), By: "ada", Held: 3})
		}
	}
	return answer(w, http.StatusOK, list)
}

// steer pauses or resumes what the path names.
func (s *Server) steer(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.PathValue("name")
	if name == "" {
		name = r.PathValue("lane") + "/" + r.PathValue("priority")
		if r.PathValue("lane") != "0" {
			return problem(404, schema.ProblemNotFound, "queue %q does not exist", name)
		}
	} else if s.current(schema.Ref{Kind: schema.KindWorkflow, Name: name}) == nil {
		return problem(404, schema.ProblemNotFound, "workflow %s does not exist", name)
	}
	s.paused = slices.DeleteFunc(s.paused, func(p string) bool { return p == name })
	if r.PathValue("verb") == "pause" {
		s.paused = append(s.paused, name)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// verb is steer for a path that says itself which.
func (s *Server) verb(word string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		r.SetPathValue("verb", word)
		return s.steer(w, r)
	}
}
