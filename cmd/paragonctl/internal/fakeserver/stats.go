package fakeserver

import (
	"net/http"
	"time"

	"paragon/schema/api"
)

// stats answers the same numbers always.
func (s *Server) stats(w http.ResponseWriter, r *http.Request) error {
	sync := api.StatsNumbers{Started: 1200, Succeeded: 1140, Failed: 60, Attempts: 2500, Retried: 100,
		DurationP50Ms: 12, DurationP99Ms: 830, WaitP50Ms: 1.5, WaitP99Ms: 9}
	quiet := api.StatsNumbers{Started: 2}
	out := api.Stats{
		From: Now.Add(-time.Minute), To: Now, StepSeconds: 1, Total: sync, Points: []api.StatsPoint{{At: Now.Add(-time.Second), StatsNumbers: sync}},
		Workflows: []api.SeriesStats{{Name: "lead-sync", StatsNumbers: sync}}, Integrations: []api.SeriesStats{},
		Queue: api.QueueStats{Runs: 1200, Oldest: Now.Add(-90 * time.Second)}, Workers: api.WorkerStats{Alive: 2, Silent: 1, Running: 40},
	}
	if r.URL.Query().Get("workflow") == "quiet" {
		out.Total, out.Points, out.Workflows = quiet, nil, []api.SeriesStats{{Name: "quiet", StatsNumbers: quiet}}
	}
	return answer(w, http.StatusOK, out)
}
