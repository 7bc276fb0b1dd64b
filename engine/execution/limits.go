package execution

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"paragon/engine/cache"
	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/interpret"
)

// limitsOf are the words by which accept.lua limits a run; none for a workflow
// without limits.
func limitsOf(wf *cache.Workflow, s *start, input any) ([]any, error) {
	spec := wf.Spec
	if spec.RateLimit == nil && spec.Throttle == nil && spec.Debounce == nil && spec.Concurrency == nil {
		return nil, nil
	}
	scope := interpret.TriggerScope(s.Trigger, nil, interpret.PersonOf(s.User))
	scope.Input = input
	var words []any
	add := func(kind, field string, key *workflows.Value, a, b any) error {
		value := ""
		if key != nil {
			var err error
			if value, err = key.EvalString(scope); err != nil {
				return &schema.Problem{
					Type: schema.ProblemInvalid, Title: "Invalid input", Status: 422,
					Detail: fmt.Sprintf("the key of the workflow's %s can't be computed from this input: %v", field, err),
				}
			}
		}
		words = append(words, kind, limitKey(s, value), a, b)
		return nil
	}
	if l := spec.RateLimit; l != nil {
		if err := add("rate", "rateLimit", wf.RateKey, l.Limit, time.Duration(l.Per).Milliseconds()); err != nil {
			return nil, err
		}
	}
	if l := spec.Throttle; l != nil {
		if err := add("throttle", "throttle", wf.ThrottleKey, l.Limit, time.Duration(l.Per).Milliseconds()); err != nil {
			return nil, err
		}
	}
	if l := spec.Debounce; l != nil {
		if err := add("debounce", "debounce", wf.DebounceKey, time.Duration(l.Period).Milliseconds(), time.Duration(l.MaxWait).Milliseconds()); err != nil {
			return nil, err
		}
	}
	if l := spec.Concurrency; l != nil {
		if err := add("concurrency", "concurrency", wf.ConcurrencyKey, l.Limit, l.OnLimit); err != nil {
			return nil, err
		}
	}
	return append(words, "deadline", s.CreatedAt.Add(wf.Timeout).UnixMilli(), "", ""), nil
}

// placeOnly are the limits that still count for a run that was accepted
// before: its place under the concurrency limit.
func placeOnly(words []any) []any {
	var out []any
	for i := 0; i+3 < len(words); i += 4 {
		switch words[i] {
		case "concurrency":
			out = append(out, words[i], words[i+1], words[i+2], "queue")
		case "deadline":
			if len(out) > 0 {
				out = append(out, words[i:i+4]...)
			}
		}
	}
	return out
}

// limitKey names a limit in its lane. Long values are kept as a digest.
func limitKey(s *start, value string) string {
	if len(value) > 64 {
		sum := sha256.Sum256([]byte(value))
		value = "sha256:" + hex.EncodeToString(sum[:])
	}
	return s.Project + "/" + s.Workflow + "/" + value
}

// refusal is the problem of a run that was not accepted.
func refusal(got accepted, workflow string) *schema.Problem {
	switch got.code {
	case acceptSkipped:
		return &schema.Problem{
			Type: schema.ProblemConflict, Title: "Conflict", Status: 409,
			Detail: fmt.Sprintf("the run was skipped: workflow %q executes as many runs as its concurrency limit allows", workflow),
		}
	case acceptLimited:
		wait, _ := strconv.ParseInt(got.more, 10, 64) // written by accept.lua
		return &schema.Problem{
			Type: schema.ProblemRateLimited, Title: "Too many runs", Status: 429, RetryAfter: int(wait/1000) + 1,
			Detail: fmt.Sprintf("the run was dropped: workflow %q has started as many runs as its rate limit allows", workflow),
		}
	}
	return &schema.Problem{
		Type: schema.ProblemUnavailable, Title: "Service unavailable", Status: 503, RetryAfter: 10,
		Detail: "no run is accepted: the log that waits to be written to Postgres has reached its limit; it goes on once Postgres answers again",
	}
}
