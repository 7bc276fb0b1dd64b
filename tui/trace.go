package tui

import (
	"fmt"
	"strings"
	"time"

	"paragon/schema"
	"paragon/tui/cell"
	"paragon/tui/theme"
)

// traceRow is a row of a run's timeline: the run, a step, or an attempt of a
// step that has several.
type traceRow struct {
	id   string
	step *schema.StepRecord
	try  *schema.Attempt
	// The row's times; a zero end has not come yet. busy are the parts in
	// which something was under way, the rest is waiting.
	start, end time.Time
	busy       []span
}

type span struct{ start, end time.Time }

// traceRows lays out a run and its steps, in the order in which they began.
func traceRows(run *schema.Run, steps []schema.StepRecord) []traceRow {
	whole := traceRow{id: "run", start: run.CreatedAt}
	if run.EndedAt != nil {
		whole.end = *run.EndedAt
	}
	if run.StartedAt != nil {
		whole.busy = []span{{*run.StartedAt, whole.end}}
	}
	rows := []traceRow{whole}
	for i := range steps {
		s := &steps[i]
		row := traceRow{id: s.Path, step: s, start: s.StartedAt, end: s.EndedAt}
		for _, t := range s.Attempts {
			row.busy = append(row.busy, span{t.StartedAt, t.EndedAt})
		}
		switch {
		case s.Status == schema.StepRunning && s.Attempt > len(s.Attempts):
			// The attempt under way is known once it has ended; it began after
			// the last one's end.
			from := s.StartedAt
			if n := len(s.Attempts); n > 0 {
				from = s.Attempts[n-1].EndedAt
			}
			row.busy = append(row.busy, span{start: from})
		case len(s.Attempts) == 0 && s.Status != schema.StepWaiting && s.WaitUntil.IsZero():
			row.busy = []span{{s.StartedAt, s.EndedAt}}
		}
		rows = append(rows, row)
		if len(s.Attempts) < 2 && s.Status != schema.StepRetrying {
			continue
		}
		for j := range s.Attempts {
			t := &s.Attempts[j]
			rows = append(rows, traceRow{id: fmt.Sprintf("%s #%d", s.Path, t.Number), step: s, try: t,
				start: t.StartedAt, end: t.EndedAt, busy: []span{{t.StartedAt, t.EndedAt}}})
		}
	}
	return rows
}

// bar draws when a row's work was, on the line of the whole run: what is under
// way as a block, what waits as dots.
func (r traceRow) bar(th *theme.Theme, from, to time.Time, cells int) string {
	if cells <= 0 || r.start.IsZero() {
		return ""
	}
	whole := max(to.Sub(from), time.Millisecond)
	place := func(at time.Time, open time.Time) int {
		if at.IsZero() {
			at = open
		}
		return max(0, min(int(int64(at.Sub(from))*int64(cells)/int64(whole)), cells-1))
	}
	line := make([]byte, cells)
	mark := func(s span, sign byte) {
		for i := place(s.start, to); i <= place(s.end, to); i++ {
			line[i] = sign
		}
	}
	mark(span{r.start, r.end}, '.')
	for _, s := range r.busy {
		mark(s, '#')
	}
	role := theme.First
	if r.failed() {
		role = theme.Second
	}
	var b strings.Builder
	for i := 0; i < cells; {
		n := i
		for n < cells && line[n] == line[i] {
			n++
		}
		switch line[i] {
		case '#':
			b.WriteString(th.Paint(role, strings.Repeat(th.Span, n-i)))
		case '.':
			b.WriteString(th.Paint(theme.Dim, strings.Repeat(th.Gap, n-i)))
		default:
			b.WriteString(strings.Repeat(" ", n-i))
		}
		i = n
	}
	return b.String()
}

func (r traceRow) failed() bool {
	switch {
	case r.try != nil:
		return r.try.Error != nil
	case r.step != nil:
		return r.step.Status == schema.StepFailed || r.step.Status == schema.StepRetrying
	}
	return false
}

// label is the row's name, an attempt under its step.
func (r traceRow) label() string {
	switch {
	case r.try != nil:
		text := fmt.Sprintf("  attempt %d", r.try.Number)
		if r.try.Response != nil {
			text += fmt.Sprintf(" %s %d", "got", r.try.Response.Status)
		} else if r.try.Error != nil {
			text += " " + cell.Safe(r.try.Error.Type)
		}
		return text
	case r.step != nil:
		return cell.Safe(r.step.Path)
	}
	return "run"
}

// status is the row's state; the run's own is run.
func (r traceRow) status(th *theme.Theme, run schema.RunStatus) string {
	switch {
	case r.try != nil && r.try.Error != nil:
		return th.Status("failed")
	case r.try != nil:
		return th.Status("succeeded")
	case r.step != nil:
		return th.Status(cell.Safe(string(r.step.Status)))
	}
	return th.Status(cell.Safe(string(run)))
}

// took is how long the row took, or has taken until now.
func (r traceRow) took(now time.Time) string {
	if r.start.IsZero() {
		return ""
	}
	if r.end.IsZero() {
		return length(now.Sub(r.start))
	}
	return length(r.end.Sub(r.start))
}
