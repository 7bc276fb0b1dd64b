package steps

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"paragon/schema"
	"paragon/workflows/function"
)

const (
	// defaultFunctionTimeout bounds a call of a step that sets no timeout.
	defaultFunctionTimeout = time.Second
	// mostPrograms bounds the compiled functions that are kept.
	mostPrograms = 2048
)

// Functions performs function steps in a sandbox.
type Functions struct {
	sandbox *function.Sandbox

	mu       sync.Mutex
	programs map[[32]byte]*function.Program
}

// NewFunctions makes the performer of function steps. The sandbox stays the
// caller's to close.
func NewFunctions(sandbox *function.Sandbox) *Functions {
	return &Functions{sandbox: sandbox, programs: map[[32]byte]*function.Program{}}
}

// Perform calls the function with the run's input, results and settings. The
// result is what the function returns.
func (f *Functions) Perform(ctx context.Context, call Call) Outcome {
	redact := newRedactor(call.Redact).text
	spec := call.Step.Spec.Function
	program, err := f.program(spec.Source)
	if err != nil {
		return functionOutcome(ctx, err, redact)
	}
	args := function.Args{Now: call.Scope.Now, Seed: call.Scope.Seed}
	for _, part := range []struct {
		name string
		from any
		to   *[]byte
	}{{"input", call.Scope.Input, (*[]byte)(&args.Input)}, {"steps", call.Scope.Steps, (*[]byte)(&args.Steps)}, {"settings", call.Scope.Settings, (*[]byte)(&args.Settings)}} {
		if *part.to, err = encode(part.from); err != nil {
			return outcome(ctx, fatal("function: %s: %s", part.name, err), redact)
		}
	}
	timeout := call.Step.Timeout
	if timeout <= 0 {
		timeout = defaultFunctionTimeout
	}
	result, err := f.sandbox.Call(ctx, program, args, function.Limits{Timeout: timeout, MemoryMiB: spec.Memory})
	if err != nil {
		return functionOutcome(ctx, err, redact)
	}
	return Outcome{Result: result.Value}
}

// program compiles a source once.
func (f *Functions) program(source string) (*function.Program, error) {
	key := sha256.Sum256([]byte(source))
	f.mu.Lock()
	p := f.programs[key]
	f.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := function.Compile(source)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.programs) >= mostPrograms {
		for other := range f.programs {
			delete(f.programs, other)
			break
		}
	}
	f.programs[key] = p
	return p, nil
}

// functionOutcome turns an error of the sandbox into how the attempt ended. A
// timeout and the sandbox's own faults may pass; a syntax error does not.
func functionOutcome(ctx context.Context, err error, redact func(string) string) Outcome {
	var e *function.Error
	if ctx.Err() != nil || !errors.As(err, &e) {
		return outcome(ctx, err, redact)
	}
	out := Outcome{Err: &schema.RunError{Type: "function", Message: redact(e.Error())}, Fatal: e.Kind == function.KindSyntax}
	if e.Kind == function.KindTimeout {
		out.Err.Type = errorTimeout
	}
	return out
}
