package workflows

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"paragon/schema"
	"paragon/workflows/function"
)

var (
	// dnsLabel is RFC 1123 section 2.1.
	dnsLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	// secretName is a DNS label or the name of an environment variable.
	secretName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?|[A-Z_][A-Z0-9_]{0,62})$`)
	stepID     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,62}$`)
	httpMethod = regexp.MustCompile(`^[A-Z]{1,20}$`)
)

// ValidName tells whether a name fits a resource of the kind: a DNS label, and
// for a Secret also the name of an environment variable.
func ValidName(kind schema.Kind, name string) bool {
	if kind == schema.KindSecret {
		return secretName.MatchString(name)
	}
	return dnsLabel.MatchString(name)
}

// nameAdvice suggests a DNS label near to a name.
func nameAdvice(name string) string {
	label := slugText(name)
	if len(label) > 63 {
		label = strings.Trim(label[:63], "-")
	}
	if label == "" || label == name {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", label)
}

// resourceName checks the name of a workflow that is referred to.
func (c *compiler) resourceName(name string, at *path) {
	if name != "" && !dnsLabel.MatchString(name) {
		c.fail(at, "invalid-name", nameAdvice(name), "%q can't be the name of a workflow", name)
	}
}

// variableName checks the name of a loop variable.
func (c *compiler) variableName(name string, at *path, env *environment) {
	switch {
	case !stepID.MatchString(name):
		c.fail(at, "invalid-name", "", "%q is not a name: a letter, then letters, digits and underscores", name)
	case library.known(name) || env.absent(name) != "" || env.has(name):
		c.fail(at, "invalid-name", "take another name", "%q already has a meaning here", name)
	case env.has(name + "_index"):
		c.fail(at, "invalid-name", "take another name", "%q already has a meaning here", name+"_index")
	}
}

// checkShape checks what does not depend on expressions: kind keys, ids and
// values that must not go together.
func (c *compiler) checkShape() {
	c.steps.add(c.spec.Steps, nil, 0, false, specPath.field("steps"), c.sameID)
	c.steps.add(c.spec.OnFailure, nil, 0, true, specPath.field("onFailure"), c.sameID)
	if c.spec.Steps != nil && len(c.spec.Steps) == 0 {
		c.fail(specPath.field("steps"), "missing-field", "", "a workflow has at least one step")
	}
	c.checkSteps(c.spec.Steps, specPath.field("steps"))
	c.checkSteps(c.spec.OnFailure, specPath.field("onFailure"))
	if d := c.spec.Defaults; d != nil {
		c.checkRetry(d.Retry, specPath.field("defaults").field("retry"))
	}
	for name, r := range map[string]*schema.RateSpec{"rateLimit": c.spec.RateLimit, "throttle": c.spec.Throttle} {
		if r != nil && r.Per <= 0 {
			c.fail(specPath.field(name), "range", "write it like 1m", "per must be longer than 0")
		}
	}
	if d := c.spec.Debounce; d != nil {
		if d.Period <= 0 {
			c.fail(specPath.field("debounce"), "range", "write it like 10s", "period must be longer than 0")
		}
		if d.MaxWait != 0 && d.MaxWait < d.Period {
			c.fail(specPath.field("debounce").field("maxWait"), "range", "", "maxWait (%s) is shorter than period (%s)", d.MaxWait, d.Period)
		}
	}
}

func (c *compiler) sameID(first *stepInfo, at *path) {
	c.fail(at, "duplicate-id", "", "there is another step %q (%s)", first.id, first.where)
}

func (c *compiler) checkSteps(steps []schema.StepSpec, at *path) {
	for i := range steps {
		c.checkStep(&steps[i], at.item(i))
	}
}

func (c *compiler) checkStep(s *schema.StepSpec, at *path) {
	if s.ID != "" && !stepID.MatchString(s.ID) {
		suggestion := ""
		if fixed := strings.Map(idRune, s.ID); stepID.MatchString(fixed) {
			suggestion = fmt.Sprintf("did you mean %q?", fixed)
		}
		c.fail(at.field("id"), "invalid-name", suggestion, "%q is not a step id: a letter, then letters, digits and underscores, 63 at most", s.ID)
	}
	kinds := kindsOf(s)
	switch {
	case len(kinds) == 0 && c.reported && c.hasOtherKeys(at):
		// A kind key that is misspelled or holds something else was reported. (One
		// without a value was not: it is as if it were not there.)
	case len(kinds) == 0 && s.Steps != nil:
		c.fail(at, "no-kind", "add forEach beside steps, or put the steps into a parallel branch", "the step %shas steps and no kind", quoted(s.ID))
	case len(kinds) == 0:
		c.fail(at, "no-kind", "add one of "+joinKinds(stepKeys), "the step %shas no kind", quoted(s.ID))
	case len(kinds) > 1:
		c.fail(at, "several-kinds", "make a step of each", "the step %shas several kinds: %s", quoted(s.ID), joinKinds(kinds))
	}
	c.checkBlocks(s, kinds, at)
	if kind := kindOf(s); kind != "" {
		effect := (&Step{Kind: kind}).Effect()
		if s.Retry != nil && !effect {
			c.fail(at.field("retry"), "invalid-value", "put it on the step that may fail", "a %s step has no attempts to retry", kind)
		}
		if s.Timeout != 0 && !effect {
			suggestion := ""
			if kind == StepWaitFor {
				suggestion = "write it inside waitFor"
			}
			c.fail(at.field("timeout"), "invalid-value", suggestion, "a %s step has no attempts to bound", kind)
		}
	}
	c.checkRetry(s.Retry, at.field("retry"))
}

// hasOtherKeys tells whether a step in the source has keys beside those that
// every kind has.
func (c *compiler) hasOtherKeys(at *path) bool {
	if c.doc == nil {
		return false
	}
	n := c.doc.find(at)
	if n == nil || n.Kind != mapNode {
		return true
	}
	for i := 0; i < len(n.Content); i += 2 {
		switch n.Content[i].Value {
		case "id", "description", "if", "timeout", "retry", "onError", "steps":
		default:
			return true
		}
	}
	return false
}

// idRune makes a character fit for a step id.
func idRune(r rune) rune {
	if r == '-' || r == ' ' || r == '.' {
		return '_'
	}
	return r
}

func joinKinds(kinds []StepKind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = string(k)
	}
	return strings.Join(words, ", ")
}

// checkBlocks checks the blocks of steps inside a step.
func (c *compiler) checkBlocks(s *schema.StepSpec, kinds []StepKind, at *path) {
	if s.ForEach != nil && len(s.Steps) == 0 {
		c.fail(at, "missing-field", "add steps beside forEach", "forEach needs steps")
	}
	if s.ForEach == nil && s.Steps != nil && len(kinds) > 0 {
		c.fail(at.field("steps"), "unknown-field", "", "only a forEach step has steps of its own")
	}
	c.checkSteps(s.Steps, at.field("steps"))
	if s.Switch != nil && len(s.Switch) == 0 {
		c.fail(at.field("switch"), "missing-field", "", "a switch has at least one branch")
	}
	for i := range s.Switch {
		b, here := &s.Switch[i], at.field("switch").item(i)
		switch {
		case b.Else && b.If != "":
			c.fail(here, "one-of", "", "a branch has if or else, not both")
		case !b.Else && b.If == "":
			c.fail(here, "one-of", "write if, or else: true", "a branch has a condition")
		case b.Else && i < len(s.Switch)-1:
			c.fail(here, "invalid-value", "move it to the end", "else is the last branch")
		}
		c.checkSteps(b.Steps, here.field("steps"))
	}
	if s.Parallel != nil {
		here := at.field("parallel").field("branches")
		if s.Parallel.Branches != nil && len(s.Parallel.Branches) == 0 {
			c.fail(here, "missing-field", "", "parallel has at least one branch")
		}
		for _, name := range branchNames(s.Parallel) {
			if !stepID.MatchString(name) {
				c.fail(here.field(name), "invalid-name", "", "%q is not a branch name: a letter, then letters, digits and underscores", name)
			}
			c.checkSteps(s.Parallel.Branches[name].Steps, here.field(name).field("steps"))
		}
	}
}

// checkRequest checks the fields of a request that depend on one another.
func (c *compiler) checkRequest(r *schema.RequestStep, at *path) {
	if c.doc != nil {
		if n := c.doc.find(at); n != nil && n.Kind == scalarNode {
			return // reported as no object
		}
	}
	switch {
	case r.URL == "" && r.Integration == "":
		c.fail(at, "one-of", "write url: https://…", "a request needs a url")
	case r.URL != "" && r.Integration != "":
		c.fail(at, "one-of", "", "a request has url or integration, not both")
	case r.Path != "" && r.Integration == "":
		c.fail(at.field("path"), "one-of", "write the whole address in url", "path goes with integration")
	case r.Account != "" && r.Integration == "":
		c.fail(at.field("account"), "one-of", "", "account goes with integration")
	}
	if r.Integration != "" && !dnsLabel.MatchString(r.Integration) {
		c.fail(at.field("integration"), "invalid-name", nameAdvice(r.Integration), "%q can't be the name of an integration", r.Integration)
	}
	if r.Integration != "" && r.Auth != nil {
		c.fail(at.field("auth"), "one-of", "", "the integration brings the credential")
	}
	if r.Method != "" && !strings.Contains(r.Method, "${{") && !httpMethod.MatchString(r.Method) {
		c.fail(at.field("method"), "invalid-value", "write it in capital letters: "+strings.ToUpper(r.Method), "%q is not an HTTP method", r.Method)
	}
	if r.URL != "" && !strings.HasPrefix(r.URL, "${{") && !strings.HasPrefix(r.URL, "http://") && !strings.HasPrefix(r.URL, "https://") {
		c.fail(at.field("url"), "invalid-value", "write https:// in front", "%q is not an absolute URL", shorten(r.URL, 60))
	}
	bodies := 0
	for _, has := range []bool{r.Body != nil, r.Form != nil, r.Multipart != nil, r.Raw != nil} {
		if has {
			bodies++
		}
	}
	if bodies > 1 {
		c.fail(at, "one-of", "", "a request has one of body, form, multipart and raw")
	}
	if a := r.Auth; a != nil {
		n := 0
		for _, has := range []bool{a.Basic != nil, a.Bearer != nil, a.OAuth2 != nil} {
			if has {
				n++
			}
		}
		if n != 1 {
			c.fail(at.field("auth"), "one-of", "", "auth has exactly one of basic, bearer and oauth2")
		}
	}
	for i, e := range r.Accept {
		if code, class, err := statusOrClass(e); err != nil {
			c.fail(at.field("accept").item(i), "invalid-value", "", "%s", err)
		} else if max(code, class*100) < 400 {
			c.fail(at.field("accept").item(i), "invalid-value", "", "only a status of 400 or more fails a step")
		}
	}
}

// function checks the source of a function. What was stored was checked when it was
// applied, so it is not parsed again.
func (c *compiler) function(f *schema.FunctionStep, at *path) {
	if strings.Contains(f.Source, "${{") {
		c.warn(at.field("source"), "expression-in-source", "read input, steps and settings in the JavaScript itself", "expressions in a function's source are not evaluated")
	}
	if c.doc == nil || f.Source == "" {
		return
	}
	_, err := function.Compile(f.Source)
	var wrong *function.Error
	if !errors.As(err, &wrong) || wrong.Kind != function.KindSyntax {
		return // the engine's own trouble is no fault of the source
	}
	message := wrong.Message
	if wrong.Name != "" && wrong.Name != "SyntaxError" {
		message = wrong.Name + ": " + message
	}
	c.reportAt(at.field("source"), runeOffset(f.Source, wrong.Line, wrong.Column), schema.SeverityError, "javascript", "", fmt.Sprintf("this is not JavaScript: %s", message))
}

// runeOffset is the offset in runes of a line and a column, both from 1; of the last
// text in the line without a column, and -1 without a line.
func runeOffset(text string, line, column int) int {
	if line < 1 {
		return -1
	}
	lines := strings.Split(text, "\n")
	line = min(line, len(lines))
	offset := line - 1
	for _, before := range lines[:line-1] {
		offset += utf8.RuneCountInString(before)
	}
	width := utf8.RuneCountInString(lines[line-1])
	if column < 1 || column > width {
		column = max(1, width)
	}
	return offset + column - 1
}
