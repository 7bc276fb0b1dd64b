package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// filterHint is the form of a runs filter.
const filterHint = `workflow:NAME status:failed,running user:ID error:TEXT since:1h until:DATE
Words without a field are looked for in the error; "…" holds words together.
Times are how long ago (90s, 1h, 7d), a date (2026-01-31) or a time (2026-01-31T09:00:00Z).`

// runFilter is which runs to show. Since and Until are as they were typed, so
// that "1h" moves with the clock.
type runFilter struct {
	Workflow     string
	User         string
	Status       []schema.RunStatus
	Error        string
	Since, Until string
}

// parseRunFilter reads what String writes.
func parseRunFilter(text string, now time.Time) (runFilter, error) {
	var (
		f    runFilter
		free []string
	)
	words, err := splitWords(text)
	if err != nil {
		return f, err
	}
	for _, w := range words {
		field, value, ok := strings.Cut(w.text, ":")
		if !ok || w.quoted {
			free = append(free, w.text)
			continue
		}
		switch field {
		case "workflow", "w":
			f.Workflow = value
		case "status", "s":
			for word := range strings.SplitSeq(value, ",") {
				s := schema.RunStatus(word)
				if !slices.Contains(schema.RunStatuses, s) {
					return f, fmt.Errorf("%q is no status: queued, running, waiting, succeeded, failed, canceled", word)
				}
				f.Status = append(f.Status, s)
			}
		case "user", "u":
			f.User = value
		case "error", "e":
			free = append(free, value)
		case "since", "until":
			if _, err := moment(value, now); err != nil {
				return f, err
			}
			if field == "since" {
				f.Since = value
			} else {
				f.Until = value
			}
		default:
			return f, fmt.Errorf("there is no field %q: workflow, status, user, error, since, until", field)
		}
	}
	f.Error = strings.Join(free, " ")
	return f, nil
}

// word is one word of a line; quoted says that it began with a quote.
type word struct {
	text   string
	quoted bool
}

// splitWords splits a line at spaces outside of double quotes.
func splitWords(text string) ([]word, error) {
	var (
		out    []word
		b      strings.Builder
		inside bool
		w      word
		any    bool
	)
	end := func() {
		if any {
			w.text = b.String()
			out = append(out, w)
		}
		b.Reset()
		w, any = word{}, false
	}
	for _, r := range text {
		switch {
		case r == '"':
			if !any {
				w.quoted = true
			}
			inside, any = !inside, true
		case r == ' ' && !inside:
			end()
		default:
			b.WriteRune(r)
			any = true
		}
	}
	if inside {
		return nil, fmt.Errorf("a quote is open")
	}
	end()
	return out, nil
}

// String is the filter as it is typed.
func (f runFilter) String() string {
	var parts []string
	add := func(field, value string) {
		if value == "" {
			return
		}
		if strings.Contains(value, " ") {
			value = `"` + strings.ReplaceAll(value, `"`, "") + `"`
		}
		parts = append(parts, field+":"+value)
	}
	add("workflow", f.Workflow)
	var status []string
	for _, s := range f.Status {
		status = append(status, string(s))
	}
	add("status", strings.Join(status, ","))
	add("user", f.User)
	add("error", f.Error)
	add("since", f.Since)
	add("until", f.Until)
	return strings.Join(parts, " ")
}

func (f runFilter) empty() bool { return f.String() == "" }

// query is the filter as the server takes it. Its times were checked when it
// was parsed.
func (f runFilter) query(now time.Time) api.RunsQuery {
	q := api.RunsQuery{Workflow: f.Workflow, User: f.User, Status: f.Status, Error: f.Error}
	if f.Since != "" {
		q.Since, _ = moment(f.Since, now)
	}
	if f.Until != "" {
		q.Until, _ = moment(f.Until, now)
	}
	return q
}

// moment reads how long ago, a date or a time.
func moment(text string, now time.Time) (time.Time, error) {
	if d, err := schema.ParseDuration(text); err == nil {
		return now.Add(-time.Duration(d)), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: how long ago (1h), a date (2026-01-31) or a time (2026-01-31T09:00:00Z)", text)
}
