package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// StatsNumbers are what was counted in some time. Times are in milliseconds,
// off by 6.25 % at most, and 0 where nothing was counted.
type StatsNumbers struct {
	// Started counts first starts; Succeeded, Failed and Canceled count ends. Of
	// requests to an integration Started counts those that were sent.
	Started   int64 `json:"started"`
	Succeeded int64 `json:"succeeded"`
	Failed    int64 `json:"failed"`
	Canceled  int64 `json:"canceled"`
	// Attempts counts attempts at steps, Retried those that were not the first.
	Attempts int64 `json:"attempts"`
	Retried  int64 `json:"retried"`
	// DurationP50Ms and DurationP99Ms are from the first start to the end.
	DurationP50Ms float64 `json:"durationP50Ms"`
	DurationP99Ms float64 `json:"durationP99Ms"`
	// WaitP50Ms and WaitP99Ms are from acceptance to the first start.
	WaitP50Ms float64 `json:"waitP50Ms"`
	WaitP99Ms float64 `json:"waitP99Ms"`
}

// Ended is how many ended.
func (n *StatsNumbers) Ended() int64 { return n.Succeeded + n.Failed + n.Canceled }

// StatsPoint is what was counted of all workflows in one step of time.
type StatsPoint struct {
	// At is when the step began.
	At time.Time `json:"at"`
	StatsNumbers
	// Gauges is what was seen in the step; not there when nobody looked, and in
	// a stream.
	Gauges *StatsGauges `json:"gauges,omitempty"`
}

// StatsGauges are what waited and what executed in a step, of all projects, as
// the means of what was seen once a second.
type StatsGauges struct {
	// Queued is how many runs waited for a worker, OldestSeconds how long the
	// one had that had waited longest.
	Queued        float64 `json:"queued"`
	OldestSeconds float64 `json:"oldestSeconds"`
	// Workers is how many were alive, Running how many runs they had.
	Workers float64 `json:"workers"`
	Running float64 `json:"running"`
}

// SeriesStats are what was counted of a workflow, or of an integration.
type SeriesStats struct {
	Name string `json:"name"`
	StatsNumbers
	// Trend is how many ended in each of 30 equal parts of the window, oldest
	// first; not there in a stream.
	Trend []int64 `json:"trend,omitempty"`
}

// QueueStats is what waits for workers now, of all projects.
type QueueStats struct {
	Runs int64 `json:"runs"`
	// Oldest is since when the run has waited that has waited longest.
	Oldest time.Time `json:"oldest,omitzero"`
	// Paused is how many queues are paused.
	Paused int `json:"paused"`
}

// WorkerStats is what executes now, for all projects.
type WorkerStats struct {
	Alive   int   `json:"alive"`
	Silent  int   `json:"silent"`
	Running int64 `json:"running"`
}

// Stats answers GET …/stats, and is each event of …/stats/stream: there it has
// what was counted from the event before up to To, and points of earlier seconds
// that came late, so that the totals of a stream add up to what was counted. A
// second of which an event tells a half has the other in the next.
type Stats struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// StepSeconds is the length of the points: 1 or 60.
	StepSeconds int `json:"stepSeconds"`
	// Total is what was counted of all workflows, or of the one asked for.
	Total StatsNumbers `json:"total"`
	// Points are the steps in which something was counted or seen, oldest first.
	Points []StatsPoint `json:"points"`
	// Workflows are those of which something was counted, by name.
	Workflows    []SeriesStats `json:"workflows"`
	Integrations []SeriesStats `json:"integrations"`
	Queue        QueueStats    `json:"queue"`
	Workers      WorkerStats   `json:"workers"`
}

// StatsQuery asks for statistics.
type StatsQuery struct {
	// Window is how far back; 0 is 5 minutes. Up to an hour has points of a
	// second, up to a week points of a minute.
	Window time.Duration
	// Step is time.Second or time.Minute; 0 is what fits the window.
	Step time.Duration
	// Every is how long an event of a stream is: half a second or a second;
	// 0 is a second.
	Every time.Duration
	// Workflow counts one workflow only; empty: all.
	Workflow string
}

func (q StatsQuery) values() url.Values {
	v := url.Values{}
	if q.Window > 0 {
		v.Set("window", q.Window.String())
	}
	if q.Step > 0 {
		v.Set("step", q.Step.String())
	}
	if q.Every > 0 {
		v.Set("every", q.Every.String())
	}
	if q.Workflow != "" {
		v.Set("workflow", q.Workflow)
	}
	return v
}

// Stats returns what was counted of the project lately.
func (c *Client) Stats(ctx context.Context, q StatsQuery) (*Stats, error) {
	return get[Stats](ctx, c, c.path("stats"), q.values())
}

// The bounds of a stream and of one event of it.
const (
	maxStream = 24 * time.Hour
	maxEvent  = 16 << 20
)

// StreamStats calls each with what was counted in every second, or half one, as
// it ends, until each returns an error, ctx is done or the server ends the stream. It
// does not connect again.
func (c *Client) StreamStats(ctx context.Context, q StatsQuery, each func(*Stats) error) error {
	if c.baseErr != nil {
		return c.baseErr
	}
	// A stream has no window: it goes on from now, by the second.
	r := &call{method: http.MethodGet, path: c.path("stats", "stream"), query: StatsQuery{Every: q.Every, Workflow: q.Workflow}.values(), accept: "text/event-stream", wait: maxStream}
	r.read = func(resp *http.Response) error { return readEvents(resp.Body, each) }
	err := c.once(ctx, r)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// readEvents calls each with every event of a stream (HTML Living Standard,
// section 9.2.6).
func readEvents(body io.Reader, each func(*Stats) error) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxEvent)
	var data bytes.Buffer
	for lines.Scan() {
		line := lines.Text()
		if text, ok := strings.CutPrefix(line, "data:"); ok {
			data.WriteString(strings.TrimPrefix(text, " "))
			continue
		}
		if line != "" || data.Len() == 0 {
			continue // a comment, a name, or nothing yet
		}
		var s Stats
		if err := json.Unmarshal(data.Bytes(), &s); err != nil {
			return &notOurs{fmt.Errorf("stream statistics: an event can't be read: %w", err)}
		}
		data.Reset()
		if err := each(&s); err != nil {
			return &notOurs{err}
		}
	}
	return lines.Err()
}
