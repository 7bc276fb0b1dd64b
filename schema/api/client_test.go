package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paragon/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick is a client that waits hardly at all between attempts.
func quick(t *testing.T, h http.HandlerFunc, opts ...Option) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	c := New(server.URL, "pgn_t", opts...)
	c.retry.first, c.retry.most = time.Microsecond, time.Microsecond
	t.Cleanup(func() {
		c.Close()
		server.Close()
	})
	return c
}

func TestWhatIsRepeated(t *testing.T) {
	tests := []struct {
		name string
		do   func(context.Context, *Client) error
		// want is the number of requests when each is answered 503.
		want int32
	}{
		{"get", func(ctx context.Context, c *Client) error { _, err := c.WhoAmI(ctx); return err }, 4},
		{"list", func(ctx context.Context, c *Client) error { _, err := c.Runs(ctx, RunsQuery{}); return err }, 4},
		{"trigger", func(ctx context.Context, c *Client) error {
			_, err := c.Trigger(ctx, "w", TriggerRequest{}, 0)
			return err
		}, 4},
		{"apply", func(ctx context.Context, c *Client) error {
			_, err := c.Apply(ctx, ApplyRequest{}, ApplyOptions{})
			return err
		}, 4},
		{"count of a bulk replay", func(ctx context.Context, c *Client) error {
			_, err := c.CountReplay(ctx, RunsFilter{})
			return err
		}, 4},
		{"bulk replay", func(ctx context.Context, c *Client) error {
			_, err := c.ReplayMany(ctx, RunsFilter{}, "")
			return err
		}, 4},
		{"replay", func(ctx context.Context, c *Client) error { _, err := c.Replay(ctx, "r", ReplayRequest{}); return err }, 4},
		{"rollback", func(ctx context.Context, c *Client) error {
			_, err := c.Rollback(ctx, schema.Ref{Kind: schema.KindWorkflow, Name: "w"}, 0)
			return err
		}, 4},
		{"delete", func(ctx context.Context, c *Client) error {
			return c.Delete(ctx, schema.Ref{Kind: schema.KindWorkflow, Name: "w"}, DeleteOptions{})
		}, 4},
		{"create key", func(ctx context.Context, c *Client) error { _, err := c.CreateKey(ctx, CreateKeyRequest{}); return err }, 4},
		{"settings", func(ctx context.Context, c *Client) error {
			_, err := c.SetSettings(ctx, schema.ProjectSettings{})
			return err
		}, 4},
		{"login", func(ctx context.Context, c *Client) error { _, err := c.Login(ctx, "e", "p"); return err }, 1},
		{"cancel", func(ctx context.Context, c *Client) error { _, err := c.Cancel(ctx, "r"); return err }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var (
				n    atomic.Int32
				mu   sync.Mutex
				keys = map[string]bool{}
			)
			c := quick(t, func(w http.ResponseWriter, r *http.Request) {
				n.Add(1)
				mu.Lock()
				defer mu.Unlock()
				keys[r.Header.Get("Idempotency-Key")] = true
				w.WriteHeader(http.StatusServiceUnavailable)
			})
			err := tt.do(t.Context(), c)
			var p *schema.Problem
			if !errors.As(err, &p) || p.Type != schema.ProblemUnavailable {
				t.Errorf("error %v, want a problem that says unavailable", err)
			}
			if n.Load() != tt.want {
				t.Errorf("%d requests, want %d", n.Load(), tt.want)
			}
			if len(keys) != 1 {
				t.Errorf("a repeated request has another key: %v", keys)
			}
		})
	}
}

// A repetition that comes while the first request is still worked on is asked
// to wait, and waits.
func TestConflictThatPasses(t *testing.T) {
	var n atomic.Int32
	c := quick(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusConflict)
			return
		}
		io.WriteString(w, `{"id":"k"}`)
	})
	began := time.Now()
	k, err := c.CreateKey(t.Context(), CreateKeyRequest{})
	if err != nil || k.ID != "k" || n.Load() != 2 || time.Since(began) < time.Second {
		t.Errorf("%+v, %v after %d requests and %s", k, err, n.Load(), time.Since(began))
	}
}

func TestTraceParentIsSentOn(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, want := range []string{"", parent} {
		c := quick(t, func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Traceparent"); got != want {
				t.Errorf("traceparent %q, want %q", got, want)
			}
			io.WriteString(w, `{}`)
		}, WithTraceParent(want))
		if _, err := c.Version(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatEndsTheRepeating(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 409, 412, 422, 500, 501} {
		var n atomic.Int32
		c := quick(t, func(w http.ResponseWriter, _ *http.Request) {
			n.Add(1)
			w.WriteHeader(status)
		})
		if _, err := c.Version(t.Context()); err == nil || n.Load() != 1 {
			t.Errorf("%d: %d requests and %v, want one and an error", status, n.Load(), err)
		}
	}
	// A server that asks for more patience than there is gets none.
	var n atomic.Int32
	c := quick(t, func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	_, err := c.Version(t.Context())
	var p *schema.Problem
	if !errors.As(err, &p) || p.RetryAfter != 3600 || n.Load() != 1 {
		t.Errorf("%d requests and %+v, want one that says 3600", n.Load(), err)
	}
}

func TestAnAnswerAfterFailures(t *testing.T) {
	var n atomic.Int32
	c := quick(t, func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) {
		case 1:
			panic(http.ErrAbortHandler) // the connection ends without an answer
		case 2:
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"version"`) // cut off
		case 3:
			w.WriteHeader(http.StatusBadGateway)
		default:
			io.WriteString(w, `{"version":"v1"}`)
		}
	})
	v, err := c.Version(t.Context())
	if err != nil || v.Version != "v1" {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestProblems(t *testing.T) {
	tests := []struct {
		name, contentType, body string
		status                  int
		want                    schema.Problem
	}{
		{"ours", schema.ProblemContentType + "; charset=utf-8", `{"type":"/problems/conflict","title":"Conflict","status":409,"detail":"no","traceId":"t","errors":[{"message":"m","line":3}]}`, 409,
			schema.Problem{Type: schema.ProblemConflict, Title: "Conflict", Status: 409, Detail: "no", TraceID: "t"}},
		{"a proxy's page", "text/html", "<html>", 502, schema.Problem{Type: schema.ProblemUnavailable, Title: "Bad Gateway", Status: 502, Detail: "the server answered 502 Bad Gateway"}},
		{"broken JSON", schema.ProblemContentType, `{"type":`, 404, schema.Problem{Type: schema.ProblemNotFound, Title: "Not Found", Status: 404, Detail: "the server answered 404 Not Found"}},
		{"another status inside", schema.ProblemContentType, `{"status":200}`, 401, schema.Problem{Type: schema.ProblemUnauthenticated, Title: "Unauthorized", Status: 401, Detail: "the server answered 401 Unauthorized"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := quick(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			}, WithAttempts(1))
			_, err := c.Version(t.Context())
			var p *schema.Problem
			if !errors.As(err, &p) {
				t.Fatalf("error %v is no problem", err)
			}
			if p.Type != tt.want.Type || p.Title != tt.want.Title || p.Status != tt.want.Status || p.Detail != tt.want.Detail || p.TraceID != tt.want.TraceID {
				t.Errorf("got %+v, want %+v", p, tt.want)
			}
		})
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	c := quick(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://elsewhere.example/", http.StatusFound)
	})
	_, err := c.Version(t.Context())
	if err == nil || !strings.Contains(err.Error(), "to https://elsewhere.example/: use that address") {
		t.Errorf("error %v", err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	if _, err := readBody(strings.NewReader("12345"), 4); err == nil {
		t.Error("a body above the limit passes")
	}
	if body, err := readBody(strings.NewReader("1234"), 4); err != nil || string(body) != "1234" {
		t.Errorf("%q, %v", body, err)
	}
	// Something that is not the API is asked once.
	var n atomic.Int32
	c := quick(t, func(w http.ResponseWriter, _ *http.Request) { n.Add(1); io.WriteString(w, "<html>hello</html>") })
	if _, err := c.Version(t.Context()); err == nil || !strings.Contains(err.Error(), "is not what the API answers") || n.Load() != 1 {
		t.Errorf("%d requests, %v", n.Load(), err)
	}
}

func TestUnreachable(t *testing.T) {
	c := New("http://127.0.0.1:1", "", WithAttempts(1))
	defer c.Close()
	_, err := c.Version(t.Context())
	var u *UnreachableError
	if !errors.As(err, &u) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("error %v", err)
	}
	if want := "can't reach the server at http://127.0.0.1:1: connection refused"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	if !strings.Contains(u.Try(), "paragond dev") {
		t.Errorf("try %q", u.Try())
	}
	if try := (&UnreachableError{Server: "https://x.example", Err: syscall.ECONNREFUSED}).Try(); strings.Contains(try, "paragond dev") {
		t.Errorf("a far server is not started here: %q", try)
	}
}

func TestAttemptsAreBoundedInTime(t *testing.T) {
	c := quick(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}, WithTimeout(20*time.Millisecond), WithAttempts(2))
	_, err := c.Version(t.Context())
	var u *UnreachableError
	if !errors.As(err, &u) || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("error %v", err)
	}
	cause := errors.New("the caller's reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := c.Version(ctx); !errors.Is(err, cause) {
		t.Errorf("error %v, want the cause of the context", err)
	}
}

func TestAddresses(t *testing.T) {
	for server, want := range map[string]string{
		"http://h:1":          "http://h:1/v1/projects/default/workflows/a%2Fb%3F",
		"h:1":                 "http://h:1/v1/projects/default/workflows/a%2Fb%3F",
		"https://h/behind/a/": "https://h/behind/a/v1/projects/default/workflows/a%2Fb%3F",
	} {
		var got string
		c := New(server, "", WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			got = r.URL.String()
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
		})}))
		if _, err := c.Get(t.Context(), schema.Ref{Kind: schema.KindWorkflow, Name: "a/b?"}); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", server, got, err, want)
		}
	}
	for _, bad := range []string{"", "ftp://x", "http://", "http://user:secret@h", "http://h:x"} {
		_, err := New(bad, "").Version(t.Context())
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTriggerMany(t *testing.T) {
	const total = batchLines + 10
	var batches atomic.Int32
	var mu sync.Mutex
	lost := true
	seen := map[string]string{}
	c := quick(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		batches.Add(1)
		body, _ := io.ReadAll(r.Body)
		enc := json.NewEncoder(w)
		for i, line := range bytes.Split(bytes.TrimSpace(body), []byte("\n")) {
			var req TriggerRequest
			if err := json.Unmarshal(line, &req); err != nil {
				t.Error(err)
			}
			if seen[req.IdempotencyKey] == "" {
				seen[req.IdempotencyKey] = fmt.Sprintf("r%d", len(seen))
			}
			enc.Encode(TriggerLine{ID: seen[req.IdempotencyKey]})
			if lost && i == 5 {
				lost = false
				panic(http.ErrAbortHandler) // the rest of the answer is lost
			}
		}
	})
	var requests iter.Seq2[TriggerRequest, error] = func(yield func(TriggerRequest, error) bool) {
		for i := range total {
			if !yield(TriggerRequest{Input: json.RawMessage(fmt.Sprint(i))}, nil) {
				return
			}
		}
	}
	next := 0
	err := c.TriggerMany(t.Context(), "w", requests, func(i int, line TriggerLine) error {
		if i != next || line.ID != fmt.Sprintf("r%d", i) {
			t.Errorf("answer %d is %+v, want that of %d", i, line, next)
		}
		next++
		return nil
	})
	if err != nil || next != total || len(seen) != total || batches.Load() != 3 {
		t.Errorf("%d answers, %d runs, %d batches, %v; want %d, as many, 3", next, len(seen), batches.Load(), err, total)
	}
	stop := errors.New("stop")
	if err := c.TriggerMany(t.Context(), "w", requests, func(int, TriggerLine) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
}

func TestWaitRun(t *testing.T) {
	var n atomic.Int32
	c := quick(t, func(w http.ResponseWriter, r *http.Request) {
		status := schema.RunRunning
		if n.Add(1) == 3 {
			status = schema.RunSucceeded
		}
		json.NewEncoder(w).Encode(schema.Run{ID: "r", Status: status})
	})
	run, err := c.WaitRun(t.Context(), "r")
	if err != nil || run.Status != schema.RunSucceeded || n.Load() != 3 {
		t.Errorf("%+v, %v after %d", run, err, n.Load())
	}
}

func TestMergeSteps(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 1, 1, 0, 0, s, 0, time.UTC) }
	got := MergeSteps([]schema.StepRecord{
		{Path: "a", Status: schema.StepRetrying, StartedAt: at(1), Attempts: []schema.Attempt{{Number: 1}}},
		{Path: "b", Status: schema.StepSucceeded, StartedAt: at(2)},
		{Path: "a", Status: schema.StepSucceeded, StartedAt: at(3), Attempts: []schema.Attempt{{Number: 1}, {Number: 2}}},
	})
	if len(got) != 2 || got[0].Path != "a" || got[0].Status != schema.StepSucceeded || len(got[0].Attempts) != 2 || !got[0].StartedAt.Equal(at(1)) {
		t.Errorf("%+v", got)
	}
}

func TestRetryAfter(t *testing.T) {
	if got := retryAfter("7"); got != 7 {
		t.Errorf("seconds: %d", got)
	}
	if got := retryAfter(time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)); got < 58 || got > 61 {
		t.Errorf("a date in a minute: %d", got)
	}
	for _, none := range []string{"", "soon", "-3", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)} {
		if got := retryAfter(none); got != 0 {
			t.Errorf("%q: %d", none, got)
		}
	}
}
