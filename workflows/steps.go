package workflows

import (
	"maps"
	"time"

	"github.com/expr-lang/expr/checker/nature"

	"paragon/schema"
)

// The limits of one attempt when nothing else is said.
const (
	defaultRequestTimeout  = 30 * time.Second
	defaultFunctionTimeout = time.Second
	defaultWaitTimeout     = 24 * time.Hour
)

// block compiles steps that run one after the other. Each becomes visible to
// those behind it.
func (c *compiler) block(specs []schema.StepSpec, at *path, parent *Step, env *environment) []*Step {
	steps := make([]*Step, 0, len(specs))
	for i := range specs {
		s := c.step(&specs[i], at.item(i), parent, env)
		steps = append(steps, s)
		if s.ID != "" {
			c.steps.visible[s.ID] = c.resultNature(s)
		}
	}
	return steps
}

// step compiles one step with what is inside it.
func (c *compiler) step(spec *schema.StepSpec, at *path, parent *Step, outer *environment) *Step {
	env := *outer
	env.current = c.steps.find(spec.ID)
	s := &Step{
		ID: spec.ID, Kind: kindOf(spec), Spec: spec, At: c.placeOf(at), Parent: parent,
		ContinueOnError: spec.OnError == "continue",
	}
	if s.ID != "" && c.byID[s.ID] == nil {
		c.byID[s.ID] = s
	}
	s.If = c.test(spec.If, at.field("if"), &env)
	s.Timeout = c.timeout(s)
	s.Retry = c.retry(s)
	switch s.Kind {
	case StepRequest:
		c.request(s, spec.Request, at.field("request"), &env)
	case StepFunction:
		c.function(spec.Function, at.field("function"))
	case StepSet:
		s.Args = c.value(spec.Set, at.field("set"), &env)
	case StepSwitch:
		c.switchStep(s, spec, at, &env)
	case StepForEach:
		c.forEach(s, spec, at, &env)
	case StepParallel:
		c.parallel(s, spec, at, &env)
	case StepDelay:
		c.delay(s, spec.Delay, at.field("delay"), &env)
	case StepWaitFor:
		c.waitFor(s, spec.WaitFor, at.field("waitFor"), &env)
	case StepRespond:
		c.respond(s, spec.Respond, at.field("respond"), &env)
	case StepEmit:
		a := &arguments{c: c, at: at.field("emit"), env: &env}
		a.text("event", spec.Emit.Event)
		a.value("data", spec.Emit.Data)
		a.text("id", spec.Emit.ID)
		s.Args = a.done()
	case StepCall:
		a := &arguments{c: c, at: at.field("call"), env: &env}
		a.value("input", spec.Call.Input)
		s.Args = a.done()
		c.resourceName(spec.Call.Workflow, at.field("call").field("workflow"))
	case StepFail:
		a := &arguments{c: c, at: at.field("fail"), env: &env}
		a.text("message", spec.Fail.Message)
		s.Args = a.done()
	}
	return s
}

// arguments collects the compiled fields of a step's Args.
type arguments struct {
	c       *compiler
	at      *path
	env     *environment
	fields  []valueField
	dynamic bool
}

func (a *arguments) add(name string, v *Value) {
	if v == nil {
		return
	}
	a.dynamic = a.dynamic || v.kind != literalValue
	i := 0
	for i < len(a.fields) && a.fields[i].name < name {
		i++
	}
	a.fields = append(a.fields[:i], append([]valueField{{name, v}}, a.fields[i:]...)...)
}

// text adds a template unless it is empty.
func (a *arguments) text(name, s string) {
	if s != "" {
		a.add(name, a.c.template(s, a.at.field(name), a.env))
	}
}

// value adds a free-form value unless it is not set.
func (a *arguments) value(name string, v any) {
	switch m := v.(type) {
	case nil:
		return
	case map[string]any:
		if m == nil {
			return
		}
	case map[string]string:
		if m == nil {
			return
		}
	}
	a.add(name, a.c.value(v, a.at.field(name), a.env))
}

func (a *arguments) done() *Value { return newMap(a.fields, a.dynamic) }

func (c *compiler) timeout(s *Step) time.Duration {
	if !s.Effect() {
		return 0
	}
	if s.Spec.Timeout > 0 {
		return time.Duration(s.Spec.Timeout)
	}
	if d := c.spec.Defaults; d != nil && d.Timeout > 0 {
		return time.Duration(d.Timeout)
	}
	switch {
	case s.Kind == StepFunction:
		return defaultFunctionTimeout
	case s.Kind == StepRequest && s.Spec.Request.Integration != "":
		return 0
	}
	return defaultRequestTimeout
}

func (c *compiler) request(s *Step, r *schema.RequestStep, at *path, env *environment) {
	a := &arguments{c: c, at: at, env: env}
	a.text("method", r.Method)
	a.text("url", r.URL)
	a.text("path", r.Path)
	a.text("account", r.Account)
	a.value("query", r.Query)
	a.value("headers", r.Headers)
	a.add("auth", c.requestAuth(r.Auth, at.field("auth"), env))
	a.value("body", r.Body)
	a.value("form", r.Form)
	a.add("multipart", c.multipart(r.Multipart, at.field("multipart"), env))
	a.value("raw", r.Raw)
	s.Args = a.done()
	c.checkRequest(r, at)
	if r.Pagination != nil {
		c.checkPagination(r, at.field("pagination"))
		s.Pages = c.pages(r.Pagination, at.field("pagination"), env)
	}
}

// requestAuth compiles the one way to authenticate that is set.
func (c *compiler) requestAuth(auth *schema.RequestAuth, at *path, env *environment) *Value {
	if auth == nil {
		return nil
	}
	out := &arguments{c: c, at: at, env: env}
	if b := auth.Basic; b != nil {
		a := &arguments{c: c, at: at.field("basic"), env: env}
		a.text("username", b.Username)
		a.text("password", b.Password)
		out.add("basic", a.done())
	}
	if b := auth.Bearer; b != nil {
		a := &arguments{c: c, at: at.field("bearer"), env: env}
		a.text("token", b.Token)
		out.add("bearer", a.done())
	}
	if o := auth.OAuth2; o != nil {
		a := &arguments{c: c, at: at.field("oauth2"), env: env}
		a.text("tokenUrl", o.TokenURL)
		a.text("clientId", o.ClientID)
		a.text("clientSecret", o.ClientSecret)
		if o.Scopes != nil {
			a.value("scopes", anyList(o.Scopes))
		}
		out.add("oauth2", a.done())
	}
	return out.done()
}

// multipart compiles the parts, each an object with the fields that are set.
func (c *compiler) multipart(parts []schema.MultipartField, at *path, env *environment) *Value {
	if parts == nil {
		return nil
	}
	list, dynamic := make([]*Value, len(parts)), false
	for i, p := range parts {
		a := &arguments{c: c, at: at.item(i), env: env}
		a.text("name", p.Name)
		a.value("value", p.Value)
		a.text("filename", p.Filename)
		a.text("contentType", p.ContentType)
		if p.Base64 {
			a.value("base64", true)
		}
		list[i] = a.done()
		dynamic = dynamic || a.dynamic
	}
	if dynamic {
		return &Value{kind: listValue, list: list}
	}
	return &Value{literal: literals(list)}
}

// defaultMaxPages bounds the pages that a request follows.
const defaultMaxPages = 100

// checkPagination checks that a request says how to page unless an integration
// may.
func (c *compiler) checkPagination(r *schema.RequestStep, at *path) {
	if r.Integration != "" {
		return
	}
	for name, missing := range map[string]bool{"items": r.Pagination.Items == "", "nextPage": r.Pagination.NextPage == nil} {
		if missing {
			c.fail(at, "missing-field", "", "pagination.%s is missing", name)
		}
	}
}

func (c *compiler) pages(p *schema.PaginationSpec, at *path, outer *environment) *Pages {
	env := outer.with(map[string]nature.Nature{"response": responseNature(anyNature, false), "page": intNature})
	pages := &Pages{MaxPages: p.MaxPages, Partial: p.OnError == "partial"}
	if pages.MaxPages == 0 {
		pages.MaxPages = defaultMaxPages
	}
	if p.Items != "" {
		v, result := c.condition(p.Items, at.field("items"), env)
		c.wantList(result, at.field("items"))
		pages.Items = v
	}
	switch next := p.NextPage.(type) {
	case nil:
		pages.Inherit = true
	case string:
		if next != "link" {
			pages.NextPage = c.template(next, at.field("nextPage"), env)
		}
	default:
		pages.NextPage = c.value(next, at.field("nextPage"), env)
	}
	pages.Until = c.test(p.Until, at.field("until"), env)
	return pages
}

// switchStep compiles the branches. What runs in one is not visible in the
// others, and visible (or null) after the block.
func (c *compiler) switchStep(s *Step, spec *schema.StepSpec, at *path, env *environment) {
	mark := c.steps.mark()
	ran := map[string]nature.Nature{}
	for i := range spec.Switch {
		b, here := &spec.Switch[i], at.field("switch").item(i)
		branch := Branch{If: c.test(b.If, here.field("if"), env)}
		branch.Steps = c.block(b.Steps, here.field("steps"), s, env)
		s.Branches = append(s.Branches, branch)
		maps.Copy(ran, c.steps.hide(mark))
	}
	maps.Copy(c.steps.visible, ran)
}

// parallel compiles the branches, in the order of their names.
func (c *compiler) parallel(s *Step, spec *schema.StepSpec, at *path, env *environment) {
	mark := c.steps.mark()
	ran := map[string]nature.Nature{}
	for _, name := range branchNames(spec.Parallel) {
		here := at.field("parallel").field("branches").field(name)
		s.Branches = append(s.Branches, Branch{
			Name:  name,
			Steps: c.block(spec.Parallel.Branches[name].Steps, here.field("steps"), s, env),
		})
		maps.Copy(ran, c.steps.hide(mark))
	}
	maps.Copy(c.steps.visible, ran)
}

// forEach compiles the list and the body. What runs in the body is not visible
// after it.
func (c *compiler) forEach(s *Step, spec *schema.StepSpec, at *path, env *environment) {
	f, here := spec.ForEach, at.field("forEach")
	var items *Value
	element := anyNature
	switch v := f.Items.(type) {
	case string:
		var result nature.Nature
		items, result = c.condition(v, here.field("items"), env)
		c.wantList(result, here.field("items"))
		if result.Ref != nil {
			element = *result.Ref
		}
	case nil: // reported as missing
	default:
		items = c.value(v, here.field("items"), env)
		if _, ok := v.([]any); !ok {
			c.fail(here.field("items"), "wrong-type", "", "items must be a list or an expression that gives one")
		}
	}
	a := &arguments{c: c, at: here, env: env}
	a.add("items", items)
	s.Args = a.done()

	as := f.As
	if as == "" {
		as = "item"
	}
	c.variableName(as, here.field("as"), env)
	mark := c.steps.mark()
	s.Body = c.block(spec.Steps, at.field("steps"), s, env.with(map[string]nature.Nature{as: element, as + "_index": intNature}))
	c.steps.hide(mark)
}

func (c *compiler) delay(s *Step, d *schema.DelayStep, at *path, env *environment) {
	a := &arguments{c: c, at: at, env: env}
	if (d.For == "") == (d.Until == "") {
		c.fail(at, "one-of", "", "a delay has exactly one of for and until")
	}
	a.text("for", d.For)
	a.text("until", d.Until)
	s.Args = a.done()
	if for_ := s.Args.Field("for"); for_ != nil {
		if text, ok := for_.Literal(); ok {
			if _, err := ToDuration(text); err != nil {
				c.fail(at.field("for"), "invalid-value", "", "%s", err)
			}
		}
	}
	if until := s.Args.Field("until"); until != nil {
		if text, ok := until.Literal(); ok {
			if _, err := ToTime(text, time.Time{}); err != nil {
				c.fail(at.field("until"), "invalid-value", "", "%s", err)
			}
		}
	}
}

func (c *compiler) waitFor(s *Step, w *schema.WaitForStep, at *path, env *environment) {
	a := &arguments{c: c, at: at, env: env}
	a.text("event", w.Event)
	s.Args = a.done()
	s.Cond = c.test(w.If, at.field("if"), env)
	s.Timeout = time.Duration(w.Timeout)
	if s.Timeout == 0 {
		s.Timeout = defaultWaitTimeout
	}
}

func (c *compiler) respond(s *Step, r *schema.RespondStep, at *path, env *environment) {
	a := &arguments{c: c, at: at, env: env}
	a.value("status", r.Status)
	a.value("headers", r.Headers)
	a.value("body", r.Body)
	s.Args = a.done()
	if status := s.Args.Field("status"); status != nil {
		if v, ok := status.Literal(); ok {
			if n, ok := wholeNumber(v); !ok || n < 200 || n > 599 {
				c.fail(at.field("status"), "invalid-value", "", "an HTTP status is a number from 200 to 599")
			}
		}
	}
}
