package workflows

import (
	"maps"
	"slices"
	"time"

	"github.com/expr-lang/expr/checker/nature"
)

// defaultRunTimeout bounds a run whose workflow does not say otherwise.
const defaultRunTimeout = 30 * 24 * time.Hour

// workflow compiles the whole spec. The result is not usable when errors were
// reported.
func (c *compiler) workflow() *Workflow {
	spec := c.spec
	w := &Workflow{Name: c.name, Spec: spec, Triggers: map[string]*Trigger{}, byID: c.byID, Timeout: time.Duration(spec.Timeout)}
	if w.Timeout == 0 {
		w.Timeout = defaultRunTimeout
	}
	w.input = c.schemaOf(spec.Input, specPath.field("input"))
	w.output = c.schemaOf(spec.OutputSchema, specPath.field("outputSchema"))
	input := schemaNature(spec.Input)
	w.Users = c.users()

	c.triggers(w)
	startEnv := newEnvironment(c.forUsers(map[string]nature.Nature{
		"input": input, "trigger": anyNature, "event": anyNature, "workflow": anyNature,
	}))
	startEnv.reasons = map[string]string{
		"steps": "it is computed before the run starts", "run": "it is computed before the run starts",
		"secrets": "the value is stored as it is", "settings": noSettings,
	}
	if s := spec.Concurrency; s != nil {
		w.ConcurrencyKey = c.optional(s.Key, specPath.field("concurrency").field("key"), startEnv)
	}
	if s := spec.RateLimit; s != nil {
		w.RateKey = c.optional(s.Key, specPath.field("rateLimit").field("key"), startEnv)
	}
	if s := spec.Throttle; s != nil {
		w.ThrottleKey = c.optional(s.Key, specPath.field("throttle").field("key"), startEnv)
	}
	if s := spec.Debounce; s != nil {
		w.DebounceKey = c.optional(s.Key, specPath.field("debounce").field("key"), startEnv)
	}

	steps := mapNature(c.steps.visible, true)
	c.stepEnv = newEnvironment(c.forUsers(map[string]nature.Nature{
		"input": input, "trigger": anyNature, "event": anyNature, "steps": steps, "secrets": anyNature,
		"run": anyNature, "workflow": anyNature,
	}))
	c.stepEnv.steps = c.steps
	c.stepEnv.reasons = map[string]string{"settings": noSettings, "response": "there is one only in pagination", "page": "there is one only in pagination"}
	w.Steps = c.block(spec.Steps, specPath.field("steps"), nil, c.stepEnv)
	if spec.Output != nil {
		w.Output = c.value(spec.Output, specPath.field("output"), c.stepEnv)
	}
	w.OnFailure = c.block(spec.OnFailure, specPath.field("onFailure"), nil, c.stepEnv)
	w.Secrets = slices.Sorted(maps.Keys(c.secrets))
	return w
}
