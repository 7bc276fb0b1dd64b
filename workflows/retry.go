package workflows

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"paragon/schema"
)

// retry is the policy of a step with the defaults filled in: the step's own,
// else that of the workflow; nil for one attempt.
func (c *compiler) retry(s *Step) *Retry {
	spec := s.Spec.Retry
	if !s.Effect() {
		return nil
	}
	if spec == nil && c.spec.Defaults != nil {
		spec = c.spec.Defaults.Retry
	}
	if spec == nil {
		return nil
	}
	return policy(spec, s.Kind == StepFunction)
}

// policy fills a policy's defaults in.
func policy(spec *schema.RetrySpec, function bool) *Retry {
	r := &Retry{
		MaxAttempts: spec.MaxAttempts, Multiplier: spec.Multiplier, Jitter: spec.Jitter,
		InitialInterval: time.Duration(spec.InitialInterval), MaxInterval: time.Duration(spec.MaxInterval), MaxElapsed: time.Duration(spec.MaxElapsed),
	}
	if r.MaxAttempts == 0 {
		r.MaxAttempts = 5
	}
	if r.InitialInterval == 0 {
		r.InitialInterval = time.Second
	}
	if r.Multiplier == 0 {
		r.Multiplier = 2
	}
	if r.MaxInterval == 0 {
		r.MaxInterval = max(time.Minute, r.InitialInterval)
	}
	if r.Jitter == "" {
		r.Jitter = "full"
	}
	on := spec.RetryOn
	if on == nil {
		if function {
			on = []any{"any"}
		} else {
			on = []any{408, 425, 429, "5xx", "timeout", "network"}
		}
	}
	r.On = retryOn(on)
	return r
}

// retryOn compiles a list of statuses, classes and words. What is wrong with
// it was reported by checkRetry.
func retryOn(on []any) RetryOn {
	out := RetryOn{Codes: map[int]bool{}, Classes: map[int]bool{}}
	for _, e := range on {
		switch e {
		case "any":
			out.Any = true
		case "timeout":
			out.Timeout = true
		case "network":
			out.Network = true
		default:
			if code, class, err := statusOrClass(e); err == nil {
				if class > 0 {
					out.Classes[class] = true
				} else {
					out.Codes[code] = true
				}
			}
		}
	}
	return out
}

// statusOrClass reads 429, "429" or "4xx": exactly one of the results is set.
func statusOrClass(v any) (code, class int, err error) {
	if n, ok := wholeNumber(v); ok && n >= 100 && n <= 599 {
		return n, 0, nil
	}
	if s, ok := v.(string); ok {
		if n, err := strconv.Atoi(s); err == nil && n >= 100 && n <= 599 {
			return n, 0, nil
		}
		if len(s) == 3 && strings.EqualFold(s[1:], "xx") && s[0] >= '1' && s[0] <= '5' {
			return 0, int(s[0] - '0'), nil
		}
	}
	return 0, 0, fmt.Errorf("%v is not a status: write a code such as 429 or a class such as 5xx", v)
}

// Accepts tells whether a request's accept list has a status.
func Accepts(r *schema.RequestStep, status int) bool {
	for _, e := range r.Accept {
		if code, class, err := statusOrClass(e); err == nil && (code == status || class > 0 && class == status/100) {
			return true
		}
	}
	return false
}

// checkRetry reports what a policy can't be.
func (c *compiler) checkRetry(spec *schema.RetrySpec, at *path) {
	if spec == nil {
		return
	}
	if spec.MaxInterval != 0 && spec.MaxInterval < spec.InitialInterval {
		c.fail(at.field("maxInterval"), "range", "", "maxInterval (%s) is shorter than initialInterval (%s)", spec.MaxInterval, spec.InitialInterval)
	}
	for i, e := range spec.RetryOn {
		if e == "any" || e == "timeout" || e == "network" {
			continue
		}
		if _, _, err := statusOrClass(e); err != nil {
			suggestion := "write codes (429), classes (5xx), timeout, network or any"
			if s, ok := e.(string); ok {
				if near := nearest(s, []string{"any", "timeout", "network", "4xx", "5xx"}); near != "" {
					suggestion = fmt.Sprintf("did you mean %q?", near)
				}
			}
			c.fail(at.field("retryOn").item(i), "invalid-value", suggestion, "%v is not something to retry on", e)
		}
	}
}
