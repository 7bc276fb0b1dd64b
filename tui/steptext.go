package tui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"paragon/schema"
	"paragon/tui/cell"
	"paragon/tui/theme"
)

// writer collects lines about something, safe to show.
type writer struct {
	th    *theme.Theme
	now   time.Time
	lines []string
}

func (w *writer) head(text string) {
	if len(w.lines) > 0 {
		w.lines = append(w.lines, "")
	}
	w.lines = append(w.lines, w.th.Paint(theme.Bold, cell.Safe(text)))
}

// field writes a name and a value that is harmless already.
func (w *writer) field(name, value string) {
	if value != "" {
		w.lines = append(w.lines, w.th.Paint(theme.Dim, fmt.Sprintf("%-10s", name))+" "+value)
	}
}

func (w *writer) text(text string) {
	w.lines = append(w.lines, strings.Split(strings.TrimRight(cell.SafeLines(text), "\n"), "\n")...)
}

// json writes a JSON value, indented.
func (w *writer) json(value []byte) {
	var b bytes.Buffer
	if json.Indent(&b, value, "", "  ") != nil {
		w.text(string(value))
		return
	}
	w.text(string(cell.SafeJSON(b.Bytes())))
}

func (w *writer) err(e *schema.RunError) {
	if e == nil {
		return
	}
	w.field("error", w.th.Paint(theme.Bad, cell.Safe(e.Error())))
	if e.Step != "" {
		w.field("", "in step "+cell.Safe(e.Step))
	}
	if e.At != "" {
		w.field("", "at "+cell.Safe(e.At))
	}
}

// runText is what is known of a run as a whole.
func runText(th *theme.Theme, now time.Time, r *schema.Run) []string {
	w := &writer{th: th, now: now}
	w.field("run", cell.Safe(r.ID))
	w.field("workflow", fmt.Sprintf("%s, revision %d", cell.Safe(r.Workflow), r.Revision))
	w.field("status", th.Status(cell.Safe(string(r.Status))))
	trigger := cell.Safe(strings.TrimSpace(r.Trigger.Kind + " " + r.Trigger.ID))
	for _, part := range []struct{ before, text string }{{", event ", r.Trigger.Event}, {", of run ", r.Trigger.Parent}, {", by ", r.Trigger.Actor}} {
		if part.text != "" {
			trigger += part.before + cell.Safe(part.text)
		}
	}
	w.field("trigger", trigger)
	w.field("created", clock(now, r.CreatedAt))
	if r.StartedAt != nil {
		w.field("started", clock(now, *r.StartedAt)+", after "+length(r.StartedAt.Sub(r.CreatedAt)))
	}
	if r.EndedAt != nil {
		w.field("ended", clock(now, *r.EndedAt)+", after "+length(r.EndedAt.Sub(r.CreatedAt)))
	}
	if r.WaitUntil != nil {
		w.field("waits", "until "+clock(now, *r.WaitUntil))
	}
	w.field("attempts", count(r.Attempts))
	if r.Recoveries > 0 {
		w.field("recovered", plural(r.Recoveries, "time")+" by another worker")
	}
	w.field("trace", cell.Safe(r.TraceID))
	w.err(r.Error)
	if len(r.Input) > 0 {
		w.head("Input")
		w.json(r.Input)
	}
	if len(r.Output) > 0 {
		w.head("Output")
		w.json(r.Output)
	}
	return w.lines
}

// stepText is what is known of a step and its attempts.
func stepText(th *theme.Theme, now time.Time, s *schema.StepRecord) []string {
	w := &writer{th: th, now: now}
	w.field("step", cell.Safe(s.Path)+"  "+th.Paint(theme.Dim, cell.Safe(s.Kind)))
	w.field("status", th.Status(cell.Safe(string(s.Status))))
	if !s.StartedAt.IsZero() {
		w.field("started", clock(now, s.StartedAt))
	}
	if !s.EndedAt.IsZero() {
		w.field("ended", clock(now, s.EndedAt)+", after "+length(s.EndedAt.Sub(s.StartedAt)))
	}
	if !s.RetryAt.IsZero() && s.Status == schema.StepRetrying {
		w.field("again", "in "+short(s.RetryAt.Sub(now)))
	}
	if !s.WaitUntil.IsZero() {
		w.field("waits", "until "+clock(now, s.WaitUntil))
	}
	w.err(s.Error)
	for i := range s.Attempts {
		w.attempt(&s.Attempts[i])
	}
	if len(s.Result) > 0 {
		w.head("Result")
		w.json(s.Result)
	}
	return w.lines
}

// attemptText is what is known of one attempt.
func attemptText(th *theme.Theme, now time.Time, t *schema.Attempt) []string {
	w := &writer{th: th, now: now}
	w.attempt(t)
	return w.lines
}

func (w *writer) attempt(t *schema.Attempt) {
	w.head(fmt.Sprintf("Attempt %d", t.Number))
	w.field("started", clock(w.now, t.StartedAt))
	w.field("took", length(t.EndedAt.Sub(t.StartedAt)))
	w.err(t.Error)
	if t.RetryAfter > 0 {
		w.field("asked for", "a wait of "+t.RetryAfter.String())
	}
	w.http("sent", t.Request)
	w.http("received", t.Response)
}

func (w *writer) http(name string, h *schema.HTTPRecord) {
	if h == nil {
		return
	}
	first := cell.Safe(h.Method + " " + h.URL)
	if h.Status != 0 {
		first = fmt.Sprint(h.Status)
	}
	w.field(name, w.th.Paint(theme.Bold, strings.TrimSpace(first)))
	for _, key := range slices.Sorted(maps.Keys(h.Headers)) {
		w.lines = append(w.lines, "  "+w.th.Paint(theme.Dim, cell.Safe(key)+":")+" "+cell.Safe(h.Headers[key]))
	}
	if h.Body == "" {
		return
	}
	size := plural(int(h.Size), "byte")
	if h.Truncated {
		size += ", of which this is the beginning"
	}
	w.lines = append(w.lines, "  "+w.th.Paint(theme.Dim, "body, "+size))
	if json.Valid([]byte(h.Body)) {
		w.json([]byte(h.Body))
		return
	}
	w.text(h.Body)
}
