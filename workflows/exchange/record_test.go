package exchange

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

const secret = `s3 c"r/e+t`

func redact(s string) string { return strings.ReplaceAll(s, secret, "***") }

func request(t *testing.T, method, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestRecordHidesSecretsInEveryEncoding(t *testing.T) {
	for name, tc := range map[string]struct{ url, contentType, body string }{
		"plain":   {"http://h/", "text/plain", "a " + secret + " b"},
		"json":    {"http://h/", "application/json; charset=utf-8", `{"a":"s3 c\"r/e+t","b":1}`},
		"unicode": {"http://h/", "application/vnd.api+json", `{"a":"s3\u0020c\u0022r\/e+t"}`},
		"form":    {"http://h/", "application/x-www-form-urlencoded", "a=s3+c%22r%2Fe%2Bt&b=2"},
		"query":   {"http://h/?k=s3%20c%22r%2fe%2bt&x=1", "", ""},
		"path":    {"http://h/x/s3%20c%22r%2Fe+t/y", "", ""},
		"user":    {"http://s3:c@h/", "", ""},
	} {
		req := request(t, "POST", tc.url)
		req.Header.Set("Content-Type", tc.contentType)
		req.Header.Set("X-Custom", "v "+secret)
		req.Header.Set("Authorization", "Basic abc")
		r := RecordRequest(req, []byte(tc.body), redact)
		all := r.URL + r.Body + r.Headers["x-custom"]
		for _, trace := range []string{"s3", "c%22", `c\"`, "c\\u0022", "abc"} {
			if strings.Contains(all, trace) {
				t.Errorf("%s: %s is left in %q", name, trace, all)
			}
		}
		if r.Headers["authorization"] != "***" {
			t.Errorf("%s: %v", name, r.Headers)
		}
	}
}

func TestRecordKeepsWhatIsNotSecret(t *testing.T) {
	req := request(t, "GET", "http://h/a%20b?x=1&y=a%26b#frag")
	req.Header.Set("Accept", "x")
	r := RecordRequest(req, []byte(`{"k":"a\nb"}`), redact)
	if r.URL != "http://h/a%20b?x=1&y=a%26b" || r.Body != `{"k":"a\nb"}` || r.Headers["accept"] != "x" || r.Method != "GET" {
		t.Errorf("%+v", r)
	}
}

func TestRecordCutsLongBodies(t *testing.T) {
	resp := &Response{Status: 200, Header: http.Header{"Set-Cookie": {"a=b"}}, Body: []byte(strings.Repeat("é", 1<<20))}
	r := RecordResponse(resp, redact)
	if !r.Truncated || len(r.Body) > RecordLimit || r.Size != 2<<20 || !utf8.ValidString(r.Body) || r.Headers["set-cookie"] != "***" {
		t.Errorf("%d of %d bytes, truncated %v", len(r.Body), r.Size, r.Truncated)
	}
	r = RecordResponse(&Response{Body: []byte{0, 1, 2, 0xff}}, redact)
	if r.Body != "(4 bytes of binary data)" || r.Size != 4 {
		t.Errorf("%+v", r)
	}
}

// A secret never shows in part, wherever it is relative to the cuts.
func TestRecordNeverShowsPartOfASecret(t *testing.T) {
	key := strings.Repeat("KEY", 100)
	hide := func(s string) string { return strings.ReplaceAll(s, key, "***") }
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		for b.Len() < RecordLimit+2*redactSlack {
			b.WriteString(strings.Repeat("-", rapid.IntRange(0, 3000).Draw(t, "gap")))
			b.WriteString(key)
		}
		r := RecordResponse(&Response{Body: []byte(b.String())}, hide)
		if strings.Contains(r.Body, "K") {
			t.Fatal("a part of the secret is shown")
		}
	})
}

func FuzzRedactJSON(f *testing.F) {
	f.Add(`{"a":"b\"c"}`)
	f.Add(`"\`)
	f.Fuzz(func(t *testing.T, s string) {
		if got := redactJSON(s, func(x string) string { return x }); got != s {
			t.Errorf("%q became %q though nothing is secret", s, got)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"7":                              7 * time.Second,
		" 7 ":                            7 * time.Second,
		"-5":                             0,
		"1.5":                            0,
		"soon":                           0,
		"999999":                         time.Hour,
		"99999999999999999999999":        time.Hour,
		"Fri, 02 Jan 2026 03:04:35 GMT":  30 * time.Second,
		"Friday, 02-Jan-26 03:04:35 GMT": 30 * time.Second,
		"Fri Jan  2 03:04:35 2026":       30 * time.Second,
		"Fri, 02 Jan 2026 03:00:00 GMT":  0,
		"Fri, 02 Jan 2036 03:00:00 GMT":  time.Hour,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {value}}, now, time.Hour); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func TestRetryStatus(t *testing.T) {
	for status, want := range map[int]bool{200: false, 400: false, 404: false, 408: true, 425: true, 429: true, 500: true, 501: true, 503: true, 599: true, 600: false} {
		if RetryStatus(status) != want {
			t.Errorf("%d", status)
		}
	}
}
