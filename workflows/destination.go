package workflows

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/mail"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/checker/nature"

	"paragon/schema"
)

// The waits of a Destination that sets none, and how far they may go.
const (
	DefaultGroupWait     = 10 * time.Second
	DefaultGroupInterval = 5 * time.Minute
	maxGroupWait         = time.Hour
	maxGroupInterval     = 7 * 24 * time.Hour
	maxAddresses         = 50
)

// Destination is a checked, compiled Destination. It is immutable and safe for
// concurrent use.
type Destination struct {
	Name string
	Spec *schema.DestinationSpec
	// Wait and Interval are those of its group; never 0.
	Wait, Interval time.Duration
	// Secrets names the secrets that it uses, sorted.
	Secrets []string

	title, body *Value
}

// Message is what a message to a destination says: the names that its template
// sees, as plain JSON values.
type Message map[string]any

// destination compiles a spec. The result is not usable when errors were
// reported.
func (c *compiler) destination(spec *schema.DestinationSpec) *Destination {
	d := &Destination{Name: c.name, Spec: spec, Wait: DefaultGroupWait, Interval: DefaultGroupInterval}
	if (spec.Webhook == nil) == (spec.Email == nil) {
		c.fail(specPath, "one-of", "", "a destination has exactly one of webhook and email")
	}
	for i := range spec.Events {
		c.destinationEvent(&spec.Events[i], specPath.field("events").item(i))
	}
	if g := spec.Group; g != nil {
		at := specPath.field("group")
		c.groupTime(g.Wait, &d.Wait, maxGroupWait, at.field("wait"))
		c.groupTime(g.Interval, &d.Interval, maxGroupInterval, at.field("interval"))
	}
	if w := spec.Webhook; w != nil {
		c.destinationWebhook(w, specPath.field("webhook"))
	}
	if e := spec.Email; e != nil {
		c.destinationEmail(e, specPath.field("email").field("to"))
	}
	if t := spec.Template; t != nil {
		c.destinationTemplate(d, t)
	}
	d.Secrets = slices.Sorted(maps.Keys(c.secrets))
	return d
}

func (c *compiler) destinationEvent(e *schema.DestinationEvent, at *path) {
	ofWorkflow := e.Event == schema.EventRunFailed || e.Event == schema.EventWorkflowPaused
	for name, given := range map[string]bool{"workflows": len(e.Workflows) > 0, "labels": len(e.Labels) > 0} {
		if given && !ofWorkflow && e.Event != "" {
			c.fail(at.field(name), "one-of", "", "%s goes with the events run.failed and workflow.paused: %s is of no workflow", name, e.Event)
		}
	}
	for i, name := range e.Workflows {
		c.resourceName(name, at.field("workflows").item(i))
	}
}

// groupTime takes up a time of a group within its bounds.
func (c *compiler) groupTime(given schema.Duration, to *time.Duration, most time.Duration, at *path) {
	switch d := time.Duration(given); {
	case d == 0:
	case d < time.Second || d > most:
		c.fail(at, "out-of-range", "", "%s must be from 1s to %s", at.name, schema.Duration(most))
	default:
		*to = d
	}
}

func (c *compiler) destinationWebhook(w *schema.DestinationWebhook, at *path) {
	if u := w.URL; u != nil {
		c.textOrSecret(u, at.field("url"))
		if u.Text != "" && !strings.Contains(u.Text, "${{") {
			if _, err := parseAddress(u.Text); err != nil {
				c.fail(at.field("url"), "invalid-value", "", "url: %s", err)
			}
		}
	}
	c.secretRef(w.Signature, at.field("signature"))
	for name, value := range w.Headers {
		here := at.field("headers").field(name)
		switch {
		case !headerName.MatchString(name):
			c.fail(here, "invalid-name", "", "%q is not the name of a header", shorten(name, 60))
		case ownHeader(name), strings.HasPrefix(strings.ToLower(name), "webhook-"), strings.EqualFold(name, "Content-Type"):
			c.fail(here, "invalid-name", "", "%s is set by Paragon and can't be set here", name)
		case strings.ContainsFunc(value.Text, control):
			c.fail(here, "invalid-value", "", "a header can't hold a line break or another control character")
		default:
			c.textOrSecret(&value, here)
		}
	}
}

func (c *compiler) destinationEmail(e *schema.DestinationEmail, at *path) {
	switch {
	case len(e.To) == 0:
		c.fail(at, "missing-field", "write to: [ops@example.com]", "to has no address")
	case len(e.To) > maxAddresses:
		c.fail(at, "out-of-range", "write to a mailing list", "to has %d addresses, %d at most are possible", len(e.To), maxAddresses)
	}
	for i, text := range e.To {
		if a, err := mail.ParseAddress(text); err != nil || !strings.Contains(a.Address, "@") || strings.ContainsFunc(text, control) {
			c.fail(at.item(i), "invalid-value", "write ops@example.com", "%q is not an e-mail address", shorten(text, 60))
		}
	}
}

func (c *compiler) destinationTemplate(d *Destination, t *schema.DestinationTemplate) {
	at := specPath.field("template")
	env := newEnvironment(map[string]nature.Nature{"message": messageNature()})
	env.reasons = map[string]string{
		"secrets": "a secret never leaves with a message: name it in webhook.headers",
		"run":     "a message tells of many runs: message.events",
		"event":   "a message tells of many events: message.events",
	}
	if t.Title != "" {
		d.title = c.template(t.Title, at.field("title"), env)
	}
	if t.Body != nil {
		_, text := t.Body.(string)
		if d.Spec.Email != nil && !text {
			c.fail(at.field("body"), "wrong-type", "", "the body of an e-mail is a text")
		}
		d.body = c.value(t.Body, at.field("body"), env)
	}
}

// messageNature is the static type of message.
func messageNature() nature.Nature {
	example := mapNature(map[string]nature.Nature{"at": textNature, "run": textNature, "message": textNature, "details": anyNature}, true)
	event := mapNature(map[string]nature.Nature{
		"event": textNature, "subject": textNature, "count": intNature, "first": textNature, "last": textNature,
		"examples": listNature(example),
	}, true)
	return mapNature(map[string]nature.Nature{
		"id": textNature, "project": textNature, "destination": textNature, "title": textNature, "text": textNature,
		"count": intNature, "since": textNature, "until": textNature, "events": listNature(event),
	}, true)
}

// Wants tells whether the destination is told of an event of a subject: of an
// event of a workflow, its name and the labels that it has now.
func (d *Destination) Wants(event, subject string, labels map[string]string) bool {
	if d.Spec == nil {
		return false // it does not compile here
	}
	if len(d.Spec.Events) == 0 {
		return true
	}
	return slices.ContainsFunc(d.Spec.Events, func(e schema.DestinationEvent) bool {
		if e.Event != event || len(e.Workflows) > 0 && !slices.Contains(e.Workflows, subject) {
			return false
		}
		for name, value := range e.Labels {
			if have, ok := labels[name]; !ok || have != value {
				return false
			}
		}
		return true
	})
}

// Tells tells whether the destination may be told of an event of any subject.
func (d *Destination) Tells(event string) bool {
	return d.Spec != nil && (len(d.Spec.Events) == 0 ||
		slices.ContainsFunc(d.Spec.Events, func(e schema.DestinationEvent) bool { return e.Event == event }))
}

// Workflows are the workflows that its events name, sorted.
func (d *Destination) Workflows() []string {
	var names []string
	for _, e := range d.Spec.Events {
		names = append(names, e.Workflows...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Title is the template's title of a message, or that of the message.
func (d *Destination) Title(m Message) (string, error) {
	if d.title == nil {
		title, _ := m["title"].(string)
		return title, nil
	}
	return d.title.EvalString(d.scope(m))
}

// Body is the template's body of a message; ok is false where there is none.
func (d *Destination) Body(m Message) (body any, ok bool, err error) {
	if d.body == nil {
		return nil, false, nil
	}
	body, err = d.body.Eval(d.scope(m))
	return body, true, err
}

func (d *Destination) scope(m Message) *Scope {
	return &Scope{Vars: map[string]any{"message": map[string]any(m)}, Now: messageTime(m), Seed: messageText(m, "id")}
}

func messageText(m Message, name string) string {
	text, _ := m[name].(string)
	return text
}

// messageTime is what now() returns in a template: the same at each attempt.
func messageTime(m Message) time.Time {
	at, err := time.Parse(time.RFC3339Nano, messageText(m, "until"))
	if err != nil {
		return time.Unix(0, 0).UTC()
	}
	return at
}

// CompileDestination compiles the canonical JSON of a destination's spec, as it
// was stored when it was applied. Its error is of type Diagnostics when the spec
// breaks a rule of the language.
func CompileDestination(name string, spec json.RawMessage) (*Destination, error) {
	s := &schema.DestinationSpec{}
	d := json.NewDecoder(strings.NewReader(string(spec)))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		return nil, fmt.Errorf("destination %s: the stored spec can't be read: %w", name, err)
	}
	plainSpec(reflect.ValueOf(s).Elem())
	c := newCompiler(name, nil, nil)
	out := c.destination(s)
	if c.diags.HasErrors() {
		return nil, c.diags
	}
	return out, nil
}
