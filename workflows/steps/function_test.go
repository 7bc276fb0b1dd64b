package steps

import (
	"context"
	"testing"
	"time"

	"paragon/engine/outbound"
	"paragon/workflows"
	"paragon/workflows/function"
)

func TestFunctionSteps(t *testing.T) {
	sandbox := function.NewSandbox(1)
	defer sandbox.Close()
	client := outbound.New(outbound.Settings{})
	defer client.Close()
	f := New(client, sandbox, nil)[workflows.StepFunction]
	run := func(source string, more ...func(*Call)) Outcome {
		t.Helper()
		c := Call{Step: step(t, map[string]any{"function": map[string]any{"source": source}}), Redact: redactSecrets,
			Scope: scope(map[string]any{"email": "a@b.c", "big": 9007199254740991})}
		c.Scope.Steps = map[string]any{"get": map[string]any{"status": 200}}
		for _, f := range more {
			f(&c)
		}
		return f.Perform(context.Background(), c)
	}
	for source, want := range map[string]string{
		"return {score: input.email.length, s: steps.get.status, x: settings}": `{"score":5,"s":200,"x":null}`,
		"return input.big":                `9007199254740991`,
		"return new Date().toISOString()": `"2026-01-02T03:04:05.000Z"`,
	} {
		if out := run(source); out.Err != nil || string(out.Result) != want {
			t.Errorf("%s: %s %v", source, out.Result, out.Err)
		}
	}
	a, b := run("return [uuid(), Math.random()]"), run("return [uuid(), Math.random()]")
	if string(a.Result) != string(b.Result) {
		t.Error("the same seed gives another outcome")
	}
	wantError(t, run("\nthrow new Error('"+password+"')"), "function", false)
	if out := run("\nthrow new Error('" + password + "')"); out.Err.Message != "Error: *** (line 2, column 16 of the function)" {
		t.Error(out.Err.Message)
	}
	wantError(t, run("while (true);", func(c *Call) { c.Step.Timeout = 50 * time.Millisecond }), "timeout", false)
	wantError(t, run("return new ArrayBuffer(1e9)"), "function", false)

	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	out := f.Perform(ctx, Call{Step: step(t, map[string]any{"function": map[string]any{"source": "while (true);"}, "timeout": "1m"}), Scope: scope(nil)})
	if !out.Interrupted {
		t.Errorf("%+v", out)
	}
}
