package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"paragon/engine/config"
	"paragon/engine/stats"
	"paragon/schema/api"
)

// statsRoutes are the live numbers.
func (s *Server) statsRoutes() []route {
	if s.opts.Stats == nil {
		return nil
	}
	workflow := param{"query", "workflow", "Count runs of this workflow only", "string"}
	return []route{
		{method: "GET", path: pathProject + "/stats", access: member, action: config.ActionReadRuns, id: "getStats", tag: "stats",
			summary: "Show what was counted lately: starts, ends, failures, retries, times; what waits and what executes now",
			params: []param{{"query", "window", "How far back: up to 1h in seconds, up to 168h in minutes; default 5m", "duration"},
				{"query", "step", "1s or 1m; default what fits the window", "duration"}, workflow},
			answers: []answer{{status: http.StatusOK, body: typeOf[api.Stats]()}}, serve: s.getStats},
		{method: "GET", path: pathProject + "/stats/stream", access: member, action: config.ActionReadRuns, id: "streamStats", tag: "stats",
			summary: "Follow the numbers: an event a second, with what was counted in it",
			params:  []param{{"query", "every", "500ms: an event each half second; default 1s", "duration"}, workflow},
			answers: []answer{{status: http.StatusOK, doc: "Events named stats, whose data is what GET …/stats answers", media: "text/event-stream"}}, serve: s.streamStats},
	}
}

// The longest windows of statistics, by step.
const (
	longestBySecond = time.Hour
	longestByMinute = 7 * 24 * time.Hour
)

func (s *Server) getStats(w http.ResponseWriter, r *request) error {
	q := r.query()
	query := api.StatsQuery{Window: q.duration("window", longestByMinute), Step: q.duration("step", time.Minute), Workflow: q.text("workflow")}
	if q.err != nil {
		return q.err
	}
	switch {
	case query.Step != 0 && query.Step != stats.Second && query.Step != stats.Minute:
		return badField("step", "there are steps of 1s and of 1m, and none of %s", query.Step)
	case query.Step == stats.Second && query.Window > longestBySecond:
		return badField("window", "seconds are kept for %s: ask for minutes", longestBySecond)
	}
	out, err := s.opts.Stats.Window(r.Context(), r.project, query)
	if err != nil {
		return statsUnavailable(err)
	}
	return writeJSON(w, http.StatusOK, out)
}

// streamStats writes an event (HTML Living Standard, section 9.2) as each
// second ends, or each half, until the caller goes or the process is about to stop.
func (s *Server) streamStats(w http.ResponseWriter, r *request) error {
	r.letGo()
	q := r.query()
	query := api.StatsQuery{Every: q.duration("every", stats.Second), Workflow: q.text("workflow")}
	switch {
	case q.err != nil:
		return q.err
	case query.Every == 0:
		query.Every = stats.Second
	case query.Every != stats.Half && query.Every != stats.Second:
		return badField("every", "there are events of 500ms and of 1s, and none of %s", query.Every)
	}
	follower := s.opts.Stats.Follow(r.project, query)
	out, err := follower.Next(r.Context())
	if err != nil {
		return statsUnavailable(err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	for {
		if out != nil {
			if err := writeEvent(w, out); err != nil {
				return nil // the caller has gone
			}
		}
		if s.opts.Draining != nil && s.opts.Draining() || !untilNext(r.Context(), s.now(), query.Every) {
			return nil
		}
		if out, err = follower.Next(r.Context()); err != nil {
			// It may be over at the next one, whose event then has this one's counts.
			out = nil
			infoOf(r.Request).err = err
		}
	}
}

// untilNext waits until a step of time has ended and its counts are there.
func untilNext(ctx context.Context, now time.Time, step time.Duration) bool {
	at := now.Add(-stats.Lag).Truncate(step).Add(step + stats.Lag)
	timer := time.NewTimer(at.Sub(now) + time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func writeEvent(w http.ResponseWriter, s *api.Stats) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	extend(w, slack)
	if _, err := fmt.Fprintf(w, "event: stats\nid: %d\ndata: %s\n\n", s.To.Unix(), raw); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}

func statsUnavailable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return unavailable("the statistics can't be read: %v", err)
}
