package interpret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/interpret"
)

// reply is how the far side takes one attempt: what comes, and when.
type reply struct {
	After       schema.Duration  `json:"after,omitempty"`
	Result      json.RawMessage  `json:"result,omitempty"`
	Error       *schema.RunError `json:"error,omitempty"`
	Fatal       bool             `json:"fatal,omitempty"`
	RetryAfter  schema.Duration  `json:"retryAfter,omitempty"`
	Interrupted bool             `json:"interrupted,omitempty"`
	// Run is the run that a call started and waits for, and Ends how that ends.
	Run  string   `json:"run,omitempty"`
	Ends *calling `json:"ends,omitempty"`
}

// calling is the end of a called run, a time after the call.
type calling struct {
	After  schema.Duration  `json:"after,omitempty"`
	Status schema.RunStatus `json:"status"`
	Output json.RawMessage  `json:"output,omitempty"`
	Error  *schema.RunError `json:"error,omitempty"`
}

// far decides how attempts end. It must say the same of the same attempt: the
// real one knows it by its idempotency key.
type far func(a interpret.Action) reply

// scripted answers from a list a path, the last one again and again; for a
// path without one after a second, with what was sent.
func scripted(replies map[string][]reply) far {
	return func(a interpret.Action) reply {
		list := replies[a.Path]
		if len(list) == 0 {
			return reply{After: schema.Duration(time.Second), Result: sent(a)}
		}
		r := list[min(a.Attempt, len(list))-1]
		r.Result = compact(r.Result)
		if r.Ends != nil {
			ends := *r.Ends
			ends.Output = compact(ends.Output)
			r.Ends = &ends
		}
		if r.Error == nil && r.Run == "" && r.Result == nil && !r.Interrupted {
			r.Result = sent(a)
		}
		return r
	}
}

func compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if raw == nil || json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

// sent is what a step sends: its arguments, evaluated.
func sent(a interpret.Action) json.RawMessage {
	value, err := a.Step.Args.Eval(a.Scope)
	if err != nil {
		return json.RawMessage(fmt.Sprintf("%q", err.Error()))
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return json.RawMessage(fmt.Sprintf("%q", err.Error()))
	}
	return raw
}

// random answers each attempt by a seed: mostly well, with what was sent.
func random(seed uint64) far {
	return func(a interpret.Action) reply {
		h := fnv.New64a()
		fmt.Fprintf(h, "%s %d", a.Path, a.Attempt)
		r := rand.New(rand.NewPCG(seed, h.Sum64()))
		// Odd lengths, so that no two things happen at the same time: which comes
		// first then, a crash may change.
		out := reply{After: schema.Duration(1 + r.IntN(int(4*time.Second)))}
		switch n := r.IntN(20); {
		case n < 3:
			out.Error = &schema.RunError{Type: "http", Message: "far side is unwell", Status: 500 + r.IntN(4)}
			if r.IntN(2) == 0 {
				out.RetryAfter = schema.Duration(time.Duration(r.IntN(90)) * time.Second)
			}
		case n < 4:
			out.Error = &schema.RunError{Type: "timeout", Message: "no answer"}
		case n < 5:
			out.Error = &schema.RunError{Type: "network", Message: "connection reset"}
		case n < 6:
			out.Error = &schema.RunError{Type: "http", Message: "not found", Status: 404}
		case n < 7:
			out.Error, out.Fatal = &schema.RunError{Type: "input", Message: "can't be"}, true
		default:
			out.Result = sent(a)
		}
		if out.Error == nil && a.Step.Kind == workflows.StepCall && (a.Step.Spec.Call.Wait == nil || *a.Step.Spec.Call.Wait) {
			out.Run = "run/" + a.Path
			out.Ends = &calling{After: schema.Duration(r.IntN(int(30 * time.Second))), Status: schema.RunSucceeded, Output: out.Result}
			switch r.IntN(5) {
			case 0:
				out.Ends.Status, out.Ends.Output = schema.RunFailed, nil
				out.Ends.Error = &schema.RunError{Type: "fail", Message: "it could not be done"}
			case 1:
				out.Ends.Status, out.Ends.Output = schema.RunCanceled, nil
			}
		}
		return out
	}
}
