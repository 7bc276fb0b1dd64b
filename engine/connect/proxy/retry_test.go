package proxy

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"paragon/schema"
)

// failing answers with a status for as many requests, and then with 200 and
// what it was sent.
func failing(times int64, status int, header ...string) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		if n.Add(1) <= times {
			w.WriteHeader(status)
			return
		}
		_, _ = w.Write(body)
	}
}

func TestWhatIsSentAgain(t *testing.T) {
	const body = "the same each time"
	for _, test := range []struct {
		name, method, body string
		status             int
		times              int64
		want               int
		sent               int64
	}{
		{"an idempotent call", "GET", "", 503, 2, 200, 3},
		{"with its body", "PUT", body, 502, 2, 200, 3},
		{"not for ever", "DELETE", "", 504, 5, 504, 3},
		{"too many requests", "GET", "", 429, 1, 200, 2},
		{"not another error", "GET", "", 500, 1, 500, 1},
		{"not another method", "POST", body, 503, 1, 503, 1},
		{"nor one that is not known", "FROB", "", 503, 1, 503, 1},
		{"not a stream", "PUT", strings.Repeat("x", mostKept+1), 503, 1, 503, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, failing(test.times, test.status))
			got := r.want(r.do(test.method, "/x", test.body), test.want)
			if test.want == 200 && got != test.body {
				t.Errorf("the far side got %q at last", got)
			}
			if n := r.sent.Load(); n != test.sent {
				t.Errorf("it was sent %d times; want %d", n, test.sent)
			}
			must(t, r.ended())
			if c := r.calls(); len(c) != 1 || int64(c[0].Attempts) != test.sent || c[0].Status != test.want {
				t.Errorf("recorded %+v", c)
			}
		})
	}
}

func on500(status int) bool { return status == 500 }

func TestTheIntegrationSaysWhatIsSentAgain(t *testing.T) {
	r := newRig(t, failing(1, 500))
	r.target.RetryOn, r.target.Attempts = on500, 2
	r.want(r.do("GET", "/x", ""), 200)
	r = newRig(t, failing(1, 503))
	r.target.Attempts = 1
	r.want(r.do("GET", "/x", ""), 503)
}

// The far side's wish to wait is heeded; if there is no time for it, its answer
// is passed on at once.
func TestRetryAfterIsHeeded(t *testing.T) {
	r := newRig(t, failing(1, 500, "Retry-After", "1"))
	r.target.RetryOn = on500
	begun := time.Now()
	r.want(r.do("GET", "/x", ""), 200)
	if took := time.Since(begun); took < time.Second {
		t.Errorf("it was sent again after %v", took)
	}
	r = newRig(t, failing(1, 500, "Retry-After", "3600"))
	r.target.RetryOn = on500
	if resp := r.do("GET", "/x", ""); resp.StatusCode != 500 || resp.Header.Get("Retry-After") != "3600" {
		t.Errorf("answered %s", resp.Status)
	}
}

func TestARefusedCredentialIsRenewedOnce(t *testing.T) {
	const fresh = "fresh-token"
	far := func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		if req.Header.Get("Authorization") != "Bearer "+fresh {
			w.WriteHeader(401)
			return
		}
		_, _ = w.Write(body)
	}
	r := newRig(t, far)
	renewals := 0
	r.refused = func(t *Target) (*Target, error) {
		renewals++
		next := *t
		next.Authorize = bearer(fresh)
		return &next, nil
	}
	// A POST too: the far side has refused it, not done it.
	if body := r.want(r.do("POST", "/x", "hello"), 200); body != "hello" || renewals != 1 {
		t.Errorf("got %q after %d renewals", body, renewals)
	}
	r.refused = func(t *Target) (*Target, error) { renewals++; return t, nil }
	r.want(r.do("POST", "/x", "hello"), 401)
	if renewals != 2 {
		t.Errorf("%d renewals; want one for each call", renewals)
	}
	r.refused = func(*Target) (*Target, error) {
		return nil, problem(409, schema.ProblemConflict, "Conflict", "reconnect it")
	}
	if body := r.want(r.do("GET", "/x", ""), 409); body != "reconnect it" {
		t.Errorf("said %q", body)
	}
	r.refused = nil
	r.want(r.do("GET", "/x", ""), 401)
}

func TestTheBreakerOpensForOneCredential(t *testing.T) {
	r := newRig(t, failing(1000, 503))
	r.target.Attempts = 1
	for range breakerLeast {
		r.want(r.do("POST", "/x", ""), 503)
	}
	before := r.sent.Load()
	resp := r.do("POST", "/x", "")
	if body := r.want(resp, 503); !strings.Contains(body, "failed too often") {
		t.Errorf("said %q", body)
	}
	if n := r.sent.Load(); n != before {
		t.Errorf("%d requests were sent with the breaker open", n-before)
	}
	all := r.calls()
	if c := all[len(all)-1]; len(all) != breakerLeast+1 || !openAmong(all) {
		t.Errorf("recorded %+v", c)
	}
	// Another credential is not held up.
	r.target.Credential = "another"
	r.want(r.do("POST", "/x", ""), 503)
	if n := r.sent.Load(); n != before+1 {
		t.Errorf("%d requests were sent with another credential", n-before)
	}
}

func openAmong(calls []schema.ProxyCall) bool {
	for _, c := range calls {
		if c.ErrorType == schema.ProxyErrorOpen {
			return true
		}
	}
	return false
}

// What callers do does not open the breaker, and neither do answers.
func TestWhatTheBreakerDoesNotCount(t *testing.T) {
	b := newBreaker()
	for range 10 * breakerLeast {
		for _, err := range []error{errCanceled, errUncounted, &http.MaxBytesError{}} {
			done, allowed := b.Allow()
			must(t, allowed)
			done(errors.Join(err, io.EOF))
		}
	}
	for _, status := range []int{200, 404, 429, 500} {
		if err := answerError(status); err != nil {
			t.Errorf("status %d counts as %v", status, err)
		}
	}
}

func TestFailuresAreToldWithoutSecrets(t *testing.T) {
	r := newRig(t, func(http.ResponseWriter, *http.Request) {})
	r.far.Close()
	body := r.want(r.do("GET", "/x?token=hidden", ""), 502)
	if !strings.HasPrefix(body, "crm can't be reached: ") || strings.Contains(body, "hidden") {
		t.Errorf("said %q", body)
	}
	_ = r.ended()
	if c := r.calls(); len(c) != 1 || c[0].ErrorType != schema.ProxyErrorNetwork || c[0].Attempts != DefaultAttempts || c[0].Status != 502 {
		t.Errorf("recorded %+v", c)
	}
}

// A breaker that is open lets one call through after a while, and goes by how
// that one ends.
func TestTheBreakerTriesOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker()
		end := func(err error) {
			t.Helper()
			done, refused := b.Allow()
			must(t, refused)
			done(err)
		}
		closed := func() bool {
			done, refused := b.Allow()
			if refused == nil {
				done(errUncounted)
			}
			return refused == nil
		}
		for range breakerLeast {
			end(errGateway)
		}
		for _, fails := range []error{errNetwork, errGateway} {
			time.Sleep(breakerSeconds*time.Second - time.Millisecond)
			if closed() {
				t.Fatalf("a call goes out before %d s", breakerSeconds)
			}
			time.Sleep(2 * time.Millisecond)
			end(errCanceled) // that its caller went away says nothing: the next call tries
			done, refused := b.Allow()
			must(t, refused)
			if closed() {
				t.Error("a second call goes out beside the one that tries")
			}
			done(fails)
			if closed() {
				t.Errorf("the breaker is closed after %v", fails)
			}
		}
		time.Sleep(breakerSeconds*time.Second + time.Millisecond)
		end(nil)
		for range 2 * breakerLeast { // as before it opened: a few failures are not enough
			if !closed() {
				t.Fatal("the breaker stays open though the far side answers again")
			}
		}
	})
}
