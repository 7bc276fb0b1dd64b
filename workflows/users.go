package workflows

import (
	"maps"

	"github.com/expr-lang/expr/checker/nature"

	"paragon/schema"
)

// Users is a compiled spec.users.
type Users struct {
	// Allow tells which users may have the workflow; nil: all.
	Allow *Value
	// Default says that a user who has not chosen has it.
	Default bool

	settings *jsonSchema
	defaults map[string]any
}

// Settings fills what a user has set up with the defaults of spec.users.settings
// and lists what is wrong with it. The fields of what it finds begin with
// "settings".
func (u *Users) Settings(given map[string]any) (map[string]any, []schema.Diagnostic) {
	full := filled(u.defaults, given)
	return full, u.settings.check("settings", full)
}

// noSettings says why there are none.
const noSettings = "only a workflow with users has them (spec.users.settings)"

// userNature is the static type of user.
var userNature = mapNature(map[string]nature.Nature{"id": textNature, "meta": mapNature(nil, false)}, true)

// forUsers adds what expressions see of the user whom a run is for. A workflow
// without users may still be run for one, when it is called or triggered so.
func (c *compiler) forUsers(scope map[string]nature.Nature) map[string]nature.Nature {
	out := maps.Clone(scope)
	out["user"] = userNature
	if c.spec.Users != nil {
		out["settings"] = schemaNature(c.spec.Users.Settings)
	}
	return out
}

// users compiles spec.users; nil without it.
func (c *compiler) users() *Users {
	spec, at := c.spec.Users, specPath.field("users")
	if spec == nil {
		return nil
	}
	env := newEnvironment(map[string]nature.Nature{"user": userNature, "workflow": anyNature})
	const early = "it is decided before there is a run"
	env.reasons = map[string]string{"input": early, "steps": early, "trigger": early, "event": early, "run": early, "secrets": early,
		"settings": "who may have the workflow is decided before there are any"}
	return &Users{
		Allow: c.test(spec.Allow, at.field("allow"), env), Default: spec.EnabledByDefault(),
		settings: c.schemaOf(spec.Settings, at.field("settings")), defaults: defaultsOf(spec.Settings),
	}
}

// triggerUser compiles whom a trigger's runs are for.
func (c *compiler) triggerUser(t *Trigger, at *path) {
	spec := t.Spec
	here := at.field("user")
	switch {
	case spec.User == "" && spec.Webhook != nil && c.spec.Users != nil:
		c.fail(at, "missing-field", `write user: "${{ trigger.body.userId }}", or where the sender says it`,
			"a webhook of a workflow with users must say whom a request is for")
	case spec.User == "":
	case c.spec.Users == nil:
		c.fail(here, "no-users", "add spec.users", "only a workflow with users is run for one")
	case spec.Cron != nil:
		c.fail(here, "invalid-value", "leave it out", "a cron trigger is for every user who enabled the workflow")
	case spec.Manual != nil:
		c.fail(here, "invalid-value", "leave it out", "who starts a run by hand says whom it is for")
	default:
		env := newEnvironment(map[string]nature.Nature{"trigger": anyNature, "event": anyNature, "workflow": anyNature})
		const whom = "it is what tells whom the run is for"
		env.reasons = map[string]string{"user": whom, "settings": whom, "input": whom, "steps": "no step has run yet",
			"run": "there is no run yet", "secrets": "the value would be stored with the run"}
		t.User = c.template(spec.User, here, env)
	}
}
