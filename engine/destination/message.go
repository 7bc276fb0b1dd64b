package destination

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"paragon/schema"
	"paragon/workflows"
)

// words are how the events are told of: one, and several of them.
var words = map[string][2]string{
	schema.EventRunFailed:           {"run of %s failed", "runs of %s failed"},
	schema.EventCredentialInvalid:   {"credential for %s became invalid", "credentials for %s became invalid"},
	schema.EventWorkflowPaused:      {"pause of workflow %s", "pauses of workflow %s"},
	schema.EventQueuePaused:         {"pause of queue %s", "pauses of queue %s"},
	schema.EventLogsDelayed:         {"delay of the logs", "delays of the logs"},
	schema.EventDestinationDisabled: {"disabling of destination %s", "disablings of destination %s"},
}

// title is a group in a few words.
func (g *group) title() string {
	forms, ok := words[g.Event]
	if !ok {
		forms = [2]string{g.Event + " %s", g.Event + " %s"} // of a newer version
	}
	form := forms[0]
	if g.Count != 1 {
		form = forms[1]
	}
	if strings.Contains(form, "%s") {
		form = fmt.Sprintf(form, g.Subject)
	}
	return fmt.Sprintf("%d %s", g.Count, strings.TrimSpace(form))
}

// message is what a message to a destination of a project says, as its template
// sees it.
func (p *pending) message(project, name string) workflows.Message {
	var first, last time.Time
	events := make([]any, 0, len(p.Groups))
	for i := range p.Groups {
		g := &p.Groups[i]
		if first.IsZero() || g.First.Before(first) {
			first = g.First
		}
		last = later(last, g.Last)
		examples := make([]any, 0, len(g.Examples))
		for _, x := range g.Examples {
			details := map[string]any{}
			for k, v := range x.Details {
				details[k] = v
			}
			examples = append(examples, map[string]any{"at": stamp(x.At), "run": x.Run, "message": x.Message, "details": details})
		}
		events = append(events, map[string]any{
			"event": g.Event, "subject": g.Subject, "count": int(g.Count), "first": stamp(g.First), "last": stamp(g.Last), "examples": examples,
		})
	}
	if p.Test {
		first, last = p.CreatedAt, p.CreatedAt
	}
	return workflows.Message{
		"id": p.ID, "project": project, "destination": name, "title": p.title(project), "text": p.text(),
		"count": int(p.Events), "since": stamp(first), "until": stamp(last), "events": events,
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// title is the message in one line.
func (p *pending) title(project string) string {
	in := " (Paragon, project " + project + ")"
	switch {
	case p.Test:
		return "A test: messages arrive here" + in
	case len(p.Groups) == 1:
		return p.Groups[0].title() + in
	}
	return fmt.Sprintf("%s, and %d more events%s", p.Groups[0].title(), p.Events-p.Groups[0].Count, in)
}

// text is the message in full, for people.
func (p *pending) text() string {
	if p.Test {
		return "This message was asked for with paragonctl destination test.\n"
	}
	var b strings.Builder
	for i := range p.Groups {
		g := &p.Groups[i]
		fmt.Fprintf(&b, "%s, %s\n", g.title(), g.when())
		for _, x := range g.Examples {
			b.WriteString("  ")
			b.WriteString(stamp(x.At))
			for _, part := range []string{x.Run, x.Message} {
				if part != "" {
					b.WriteString("  " + oneLine(part))
				}
			}
			b.WriteString("\n")
		}
		if more := g.Count - int64(len(g.Examples)); more > 0 && len(g.Examples) > 0 {
			fmt.Fprintf(&b, "  and %d more\n", more)
		}
	}
	return b.String()
}

func (g *group) when() string {
	if stamp(g.First) == stamp(g.Last) {
		return "at " + stamp(g.First)
	}
	return "from " + stamp(g.First) + " to " + stamp(g.Last)
}

func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}

// payload is the body of a webhook: the template's, or the type, time and data
// that Standard Webhooks suggests.
func payload(d *workflows.Destination, m workflows.Message) ([]byte, error) {
	title, err := d.Title(m)
	if err != nil {
		return nil, err
	}
	m["title"] = title
	body, ok, err := d.Body(m)
	if err != nil {
		return nil, err
	}
	if !ok {
		body = map[string]any{"type": "paragon.failures", "timestamp": m["until"], "data": m}
	}
	return json.Marshal(body)
}

// letter is an e-mail's subject and text.
func letter(d *workflows.Destination, m workflows.Message) (subject, text string, err error) {
	title, err := d.Title(m)
	if err != nil {
		return "", "", err
	}
	m["title"] = title
	body, ok, err := d.Body(m)
	if err != nil {
		return "", "", err
	}
	if !ok {
		body = m["text"]
	}
	switch x := body.(type) {
	case nil:
	case string:
		text = x
	default:
		raw, err := json.Marshal(x)
		if err != nil {
			return "", "", err
		}
		text = string(raw)
	}
	return oneLine(title), text, nil
}
