package later

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"paragon/engine/connect/proxy"
	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/exchange"
	"paragon/workflows/steps"
)

// far is a proxy that answers as it is told.
type far struct {
	calls int
	keep  func(ctx context.Context, r *proxy.Request) (*proxy.Kept, bool, error)
}

func (f *far) Keep(ctx context.Context, _ proxy.Call, _ string, r *proxy.Request, _ int64) (*proxy.Kept, bool, error) {
	f.calls++
	return f.keep(ctx, r)
}

type others struct{ called bool }

func (o *others) Perform(context.Context, steps.Call) steps.Outcome {
	o.called = true
	return steps.Outcome{}
}

// rig performs the step that calls, of one run.
func rig(t *testing.T, f *far) func(in Input, attempt int) steps.Outcome {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	p := NewPerformer(Options{Proxy: f, Redis: rdb, Secret: func(string, string) (string, bool) { return "", false }, Transport: http.DefaultTransport}, &others{})
	return func(in Input, attempt int) steps.Outcome {
		raw, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var input any
		if err := json.Unmarshal(raw, &input); err != nil {
			t.Fatal(err)
		}
		return p.Perform(t.Context(), steps.Call{Step: Workflow().Steps[0], Scope: &workflows.Scope{Input: input}, Project: "default", Run: "r1",
			Attempt: attempt, Redact: func(text string) string { return strings.ReplaceAll(text, "hidden", "***") }})
	}
}

func answer(status int) func(context.Context, *proxy.Request) (*proxy.Kept, bool, error) {
	return func(context.Context, *proxy.Request) (*proxy.Kept, bool, error) {
		return &proxy.Kept{Status: status, Header: http.Header{"X-A": {"hidden"}, "Retry-After": {"7"}}, Body: []byte("a hidden body")}, true, nil
	}
}

// A worker that died may have sent the call: it is sent again only where that
// does no harm.
func TestACallIsSentTwiceOnlyWhereItMay(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   Input
		want int
	}{
		{"a POST", Input{Method: "POST"}, 1},
		{"a method that is not known", Input{Method: "FROB"}, 1},
		{"a GET", Input{Method: "GET"}, 2},
		{"a POST with a key", Input{Method: "POST", Headers: map[string][]string{"Idempotency-Key": {"k"}}}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &far{keep: answer(200)}
			perform := rig(t, f)
			if out := perform(tt.in, 1); out.Err != nil {
				t.Fatal(out.Err)
			}
			out := perform(tt.in, 1) // another worker, which finds no result
			if f.calls != tt.want {
				t.Errorf("it was sent %d times; want %d", f.calls, tt.want)
			}
			if tt.want == 1 && (out.Err == nil || out.Err.Type != "interrupted" || !out.Fatal) {
				t.Errorf("the second ended with %+v", out)
			}
		})
	}
}

// What was not sent is tried again, whatever the method is.
func TestACallThatWasRefusedIsMadeLater(t *testing.T) {
	f := &far{keep: func(context.Context, *proxy.Request) (*proxy.Kept, bool, error) {
		return nil, false, &schema.Problem{Type: schema.ProblemRateLimited, Status: 429, RetryAfter: 3}
	}}
	perform := rig(t, f)
	if out := perform(Input{Method: "POST"}, 1); out.Err == nil || out.Fatal || out.RetryAfter != 3*time.Second {
		t.Errorf("ended with %+v", out)
	}
	f.keep = answer(201)
	if out := perform(Input{Method: "POST"}, 2); out.Err != nil || f.calls != 2 {
		t.Errorf("ended with %+v after %d calls", out, f.calls)
	}
	f.keep = func(context.Context, *proxy.Request) (*proxy.Kept, bool, error) {
		return nil, false, &schema.Problem{Type: schema.ProblemCredential, Status: 409}
	}
	if out := perform(Input{Method: "GET"}, 1); !out.Fatal {
		t.Errorf("without a credential it ended with %+v", out)
	}
}

// An answer that says "later" is heeded; the last one is the caller's.
func TestAnswersThatAskToComeAgain(t *testing.T) {
	perform := rig(t, &far{keep: answer(503)})
	if out := perform(Input{Method: "GET"}, 1); out.Err == nil || out.Err.Status != 503 || out.Fatal || out.RetryAfter != 7*time.Second {
		t.Errorf("ended with %+v", out)
	}
	out := perform(Input{Method: "GET"}, mostAttempts)
	if out.Err != nil || !strings.Contains(string(out.Result), `"status":503`) || strings.Contains(string(out.Result), "hidden") {
		t.Errorf("ended with %s, %v", out.Result, out.Err)
	}
	if out := rig(t, &far{keep: answer(503)})(Input{Method: "POST"}, 1); out.Err != nil {
		t.Errorf("a POST ended with %v", out.Err)
	}
}

func TestOtherStepsAreLeftToOthers(t *testing.T) {
	other := &others{}
	p := NewPerformer(Options{Transport: http.DefaultTransport}, other)
	same, err := workflows.CompileSpec(Name, json.RawMessage(spec))
	if err != nil {
		t.Fatal(err)
	}
	p.Perform(t.Context(), steps.Call{Step: same.Steps[0]})
	if !other.called {
		t.Error("a workflow that looks the same passed for it")
	}
}

func TestCallbacksThatAreRefused(t *testing.T) {
	good := "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	if err := CheckCallback("https://example.com/hook?a=b", good); err != nil {
		t.Error(err)
	}
	for _, tt := range [][2]string{{"/hook", good}, {"ftp://example.com", good}, {"https://user:pass@example.com", good}, {"https://example.com#x", good},
		{"https://example.com", ""}, {"https://example.com", "whsec_%"}, {"https://example.com", "whsec_c2hvcnQ="}, {"http://a b", good}} {
		if err := CheckCallback(tt[0], tt[1]); err == nil {
			t.Errorf("%s with %s was taken", tt[0], tt[1])
		}
	}
}

// The example of the Standard Webhooks specification.
func TestSignature(t *testing.T) {
	key, err := signingKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	exchange.SignWebhook(h, key, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if got, want := h.Get("webhook-signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signed with %s; want %s", got, want)
	}
}

func TestInterruptedAttemptsAreNone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	p := NewPerformer(Options{Redis: rdb, Transport: http.DefaultTransport, Proxy: &far{keep: func(context.Context, *proxy.Request) (*proxy.Kept, bool, error) {
		cancel()
		return nil, true, errors.New("cut short")
	}}}, &others{})
	out := p.Perform(ctx, steps.Call{Step: Workflow().Steps[0], Scope: &workflows.Scope{Input: map[string]any{"method": "GET"}}, Redact: func(s string) string { return s }})
	if !out.Interrupted {
		t.Errorf("ended with %+v", out)
	}
}
