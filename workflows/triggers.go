package workflows

import (
	"fmt"

	"github.com/expr-lang/expr/checker/nature"

	"paragon/schema"
)

// triggers compiles and checks the triggers.
func (c *compiler) triggers(w *Workflow) {
	at := specPath.field("triggers")
	env := newEnvironment(c.forUsers(map[string]nature.Nature{"trigger": anyNature, "event": anyNature, "workflow": anyNature}))
	env.reasons = map[string]string{
		"settings": noSettings,
		"input":    "it is what this makes", "steps": "no step has run yet", "run": "there is no run yet",
		"secrets": "the value would be stored with the run",
	}
	seen := map[string]bool{}
	for i := range c.spec.Triggers {
		spec, here := &c.spec.Triggers[i], at.item(i)
		t := &Trigger{Spec: spec}
		c.triggerKind(spec, here)
		if spec.ID != "" {
			if seen[spec.ID] {
				c.fail(here.field("id"), "duplicate-id", "", "there is another trigger %q", spec.ID)
			}
			seen[spec.ID] = true
			if !dnsLabel.MatchString(spec.ID) {
				c.fail(here.field("id"), "invalid-name", nameAdvice(spec.ID), "%q is not a trigger id: it is a part of a URL (small letters, digits and hyphens, 63 at most)", spec.ID)
			}
			w.Triggers[spec.ID] = t
		}
		c.triggerUser(t, here)
		if spec.Input != nil {
			t.Input = c.value(spec.Input, here.field("input"), env)
		}
		if e := spec.Event; e != nil {
			t.If = c.test(e.If, here.field("event").field("if"), env)
		}
		if h := spec.Webhook; h != nil {
			c.webhook(t, h, here.field("webhook"))
		}
		if spec.Cron != nil {
			c.cron(spec.Cron, here.field("cron"))
		}
	}
}

// triggerKind checks that exactly one kind key is there.
func (c *compiler) triggerKind(t *schema.TriggerSpec, at *path) {
	n := 0
	for _, has := range []bool{t.Manual != nil, t.Webhook != nil, t.Cron != nil, t.Event != nil} {
		if has {
			n++
		}
	}
	switch {
	case n == 0:
		c.fail(at, "no-kind", "add one of webhook, cron, event and manual", "the trigger %shas no kind", quoted(t.ID))
	case n > 1:
		c.fail(at, "several-kinds", "make a trigger of each", "the trigger %shas several kinds", quoted(t.ID))
	}
}

// quoted is a name in quotes with a space behind, or nothing.
func quoted(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf("%q ", name)
}

func (c *compiler) webhook(t *Trigger, h *schema.WebhookTrigger, at *path) {
	t.headers = c.schemaOf(h.Headers, at.field("headers"))
	t.query = c.schemaOf(h.Query, at.field("query"))
	t.body = c.schemaOf(h.Body, at.field("body"))
	if h.Method != "" && !httpMethod.MatchString(h.Method) {
		c.fail(at.field("method"), "invalid-value", "write it in capital letters: GET, POST, PUT, PATCH, DELETE", "%q is not an HTTP method", h.Method)
	}
	if h.Auth == nil {
		c.warn(at, "open-webhook", "add auth", "anyone who can reach the server can start runs through this webhook")
		return
	}
	c.webhookAuth(h.Auth, at.field("auth"))
}

// namesSecret takes up a secret that is named literally.
func (c *compiler) namesSecret(name string, p *path) {
	if name == "" {
		return // reported as missing
	}
	if !secretName.MatchString(name) {
		suggestion := "make a Secret and write its name"
		c.fail(p, "invalid-name", suggestion, "this must be the name of a Secret, not its value")
		// What stands there may be a secret: it is not shown.
		c.diags[len(c.diags)-1].Source = ""
		return
	}
	c.secrets[name] = true
}

// webhookAuth checks that there is one way to authenticate and collects the
// secrets that it names.
func (c *compiler) webhookAuth(a *schema.WebhookAuth, at *path) {
	n := 0
	secret := c.namesSecret
	if x := a.Preset; x != nil {
		n++
		secret(x.Secret, at.field("preset").field("secret"))
	}
	if x := a.HMAC; x != nil {
		n++
		secret(x.Secret, at.field("hmac").field("secret"))
	}
	if x := a.Basic; x != nil {
		n++
		secret(x.Password, at.field("basic").field("password"))
	}
	if x := a.Bearer; x != nil {
		n++
		secret(x.Token, at.field("bearer").field("token"))
	}
	if x := a.APIKey; x != nil {
		n++
		secret(x.Secret, at.field("apiKey").field("secret"))
		if (x.Header == "") == (x.Query == "") {
			c.fail(at.field("apiKey"), "one-of", "", "an API key is sent in exactly one of header and query")
		}
	}
	if n != 1 {
		c.fail(at, "one-of", "", "auth has exactly one of preset, hmac, basic, bearer and apiKey")
	}
}

// cron checks a schedule and its zone.
func (c *compiler) cron(spec *schema.CronTrigger, at *path) {
	if spec.Schedule != "" {
		if _, err := ParseSchedule(spec.Schedule, ""); err != nil {
			c.fail(at.field("schedule"), "cron", "five fields: minute, hour, day of month, month, day of week", "%s", err)
		}
	}
	if spec.Timezone != "" {
		if _, err := loadZone(spec.Timezone); err != nil {
			c.fail(at.field("timezone"), "timezone", "", "%s", err)
		}
	}
}
