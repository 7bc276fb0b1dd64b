package enrol

import (
	"encoding/json"
	"fmt"
	"time"

	"paragon/engine/cache"
	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

// verdict is whether a user has a workflow.
type verdict struct {
	enabled bool // as the user chose, or else by default
	// settings are what the user set; who has the defaults, too.
	settings json.RawMessage
	reason   string
	why      string
	who      schema.RunUser
	wrong    []schema.Diagnostic
}

// judge decides whether a user has a workflow, by what the user chose; nil: has
// not chosen.
func judge(wf *cache.Workflow, u *store.User, chosen *store.UserWorkflow, now time.Time) verdict {
	v := verdict{enabled: wf.Users.Default, who: schema.RunUser{ID: u.ID, Meta: u.Meta}}
	if chosen != nil {
		v.enabled, v.settings = chosen.Enabled, chosen.Settings
	}
	v.who.Settings = v.settings
	given := object(v.settings)
	full, wrong := wf.Users.Settings(given)
	v.wrong = wrong
	if len(full) > len(given) {
		v.who.Settings, _ = json.Marshal(full) // it was JSON
	}
	allowed, err := allows(wf, u, now)
	switch {
	case u.Disabled:
		v.reason, v.why = api.ReasonUserDisabled, "the user is disabled"
	case err != nil:
		v.reason, v.why = api.ReasonNotAllowed, "spec.users.allow can't be evaluated: "+err.Error()
	case !allowed:
		v.reason, v.why = api.ReasonNotAllowed, "the workflow's spec.users.allow is false for the user"
	case !v.enabled:
		v.reason, v.why = api.ReasonDisabled, "the user has not enabled it"
	case len(v.wrong) > 0:
		v.reason = api.ReasonSettings
		v.why = fmt.Sprintf("the settings do not fit the workflow: %s %s", v.wrong[0].Field, v.wrong[0].Message)
	}
	return v
}

// has is the user as runs see it; nil for one who does not have the workflow.
func (v *verdict) has() *schema.RunUser {
	if v.reason != "" {
		return nil
	}
	return &v.who
}

// allows evaluates spec.users.allow.
func allows(wf *cache.Workflow, u *store.User, now time.Time) (bool, error) {
	if wf.Users.Allow == nil {
		return true, nil
	}
	return wf.Users.Allow.EvalBool(&workflows.Scope{
		User: map[string]any{"id": u.ID, "meta": object(u.Meta)}, Now: now, Seed: u.ID,
		Workflow: map[string]any{"name": wf.Name, "revision": int(wf.Revision)},
	})
}

// object is JSON as a value, an empty object for nothing.
func object(raw json.RawMessage) map[string]any {
	var v map[string]any
	if len(raw) == 0 || json.Unmarshal(raw, &v) != nil || v == nil {
		return map[string]any{}
	}
	return v
}
