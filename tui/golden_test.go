package tui

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"paragon/schema"
)

// widths are the widths of the goldens, with a height that goes with each.
var widths = [][2]int{{60, 16}, {80, 24}, {120, 32}, {200, 50}}

// story is a server with a run of which every part is filled in.
func story() *fake {
	f := some()
	at := func(ms int) time.Time { return noon.Add(time.Duration(ms-5000) * time.Millisecond) }
	r := f.add(21, "lead-sync", schema.RunFailed, "POST http://10.0.0.1/leads: 503 Service Unavailable")
	start, end := at(40), at(2400)
	r.CreatedAt, r.StartedAt, r.EndedAt, r.Attempts = at(0), &start, &end, 4
	r.Trigger = schema.Trigger{Kind: "webhook", ID: "hook", Actor: "crm", Time: at(0)}
	r.Error.At, r.TraceID = "sync.yaml:14:7", "4bf92f3577b34da6a3ce929d0e0e4736"
	ask := &schema.HTTPRecord{Method: "POST", URL: "http://10.0.0.1/leads", Size: 15, Body: `{"score":12.5}`,
		Headers: map[string]string{"authorization": "***", "content-type": "application/json"}}
	said := &schema.HTTPRecord{Status: 503, Size: 5, Body: "busy\n", Headers: map[string]string{"retry-after": "1"}}
	failed := &schema.RunError{Type: "http", Message: "503 Service Unavailable", Status: 503}
	var tries []schema.Attempt
	for i, ms := range []int{120, 700, 2200} {
		tries = append(tries, schema.Attempt{Number: i + 1, StartedAt: at(ms), EndedAt: at(ms + 180), Request: ask, Response: said, Error: failed,
			RetryAfter: schema.Duration(time.Second)})
	}
	f.steps[r.ID] = []schema.StepRecord{
		{Path: "score", Step: "score", Kind: "function", Status: schema.StepSucceeded, StartedAt: at(40), EndedAt: at(60), Result: json.RawMessage(`{"score":12.5}`)},
		{Path: "each[0]/lookup", Step: "lookup", Kind: "request", Status: schema.StepSucceeded, Attempt: 1, StartedAt: at(60), EndedAt: at(110),
			Attempts: []schema.Attempt{{Number: 1, StartedAt: at(60), EndedAt: at(110)}}},
		{Path: "push", Step: "push", Kind: "request", Status: schema.StepFailed, Attempt: 3, StartedAt: at(115), EndedAt: at(2390), Attempts: tries, Error: failed},
		{Path: "tell", Step: "tell", Kind: "request", Status: schema.StepSkipped, StartedAt: at(2390), EndedAt: at(2390)},
	}
	return f
}

// busy is a server on which runs came in waves, and failed for a while.
func busy() *fake {
	f := story()
	n := 100
	for s := -290; s < 0; s += 2 {
		for i := range 1 + (s+300)/40 + 3*(s/30%2*s/30%2) {
			r := f.add(n, "lead-sync", schema.RunSucceeded, "")
			n++
			at := noon.Add(time.Duration(s)*time.Second + time.Duration(i)*time.Millisecond)
			start, end := at.Add(time.Duration(20+i)*time.Millisecond), at.Add(time.Duration(200+i*i*40)*time.Millisecond)
			r.CreatedAt, r.StartedAt, r.EndedAt = at, &start, &end
			switch {
			case s > -150 && s < -90 && i%3 == 0:
				r.Status = schema.RunFailed
			case s > -8:
				r.Status, r.StartedAt, r.EndedAt = schema.RunQueued, nil, nil
			}
		}
	}
	return f
}

// views are the screens that have goldens: which keys lead there.
var views = []struct {
	name string
	keys string
}{
	{"overview", ""},
	{"runs", ":runs⏎"},
	{"runs-marked", ":runs⏎ ␣␣a"},
	{"failures", ":failures⏎"},
	{"run", ":runs⏎⏎jjj"},
	{"run-attempt", ":runs⏎⏎jjjjj⏎"},
	{"yaml", ":runs⏎o"},
	{"dialog", ":runs⏎r"},
	{"filter", ":runs⏎/status:failed since:1h"},
	{"workflows", ":workflows⏎ss"},
	{"queues", ":queues⏎"},
	{"workers", ":workers⏎"},
	{"credentials", ":credentials⏎"},
	{"worker-runs", ":workers⏎j⏎"},
	{"pause", ":queues⏎jP"},
	{"audit", ":audit⏎"},
	{"help", ":runs⏎?"},
}

// goTo presses the keys of a text: ⏎ is Enter, ␣ the space bar. Blanks count only in
// a line that is typed.
func (r *rig) goTo(keys string) {
	for _, c := range keys {
		switch c {
		case '⏎':
			r.press("enter")
		case '␣':
			r.press("space")
		case ' ':
			if r.prompt != nil {
				r.typed(" ")
			}
		default:
			r.typed(string(c))
		}
	}
}

func TestGoldens(t *testing.T) {
	for _, v := range views {
		for _, size := range widths {
			t.Run(fmt.Sprintf("%s-%d", v.name, size[0]), func(t *testing.T) {
				server := story()
				if v.name == "overview" || v.name == "workflows" {
					server = busy()
				}
				r := newRig(t, server, look("default", false))
				r.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
				r.goTo(v.keys)
				r.frame()
				golden(t, fmt.Sprintf("%s-%d", v.name, size[0]), trimmed(r.screen()))
			})
		}
	}
}

// The colours are goldens, too, of one screen in each theme.
func TestThemes(t *testing.T) {
	for _, name := range []string{"default", "light", "contrast", "mono"} {
		for _, ascii := range []bool{false, true} {
			r := newRig(t, story(), look(name, ascii))
			r.send(tea.WindowSizeMsg{Width: 80, Height: 16})
			r.goTo(":runs⏎⏎jjj")
			r.redraw()
			if ascii {
				name += "-ascii"
			}
			golden(t, "theme-"+name, strings.ReplaceAll(r.frameText(), "\x1b", "^")+"\n")
		}
	}
}

// trimmed takes the blanks off the ends of lines, which editors do not keep.
func trimmed(screen string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(ansi.Strip(screen), "\n") {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
