package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestClockCheck(t *testing.T) {
	sent := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	received := sent.Add(200 * time.Millisecond)
	for _, test := range []struct {
		there time.Duration // after sent
		grain time.Duration
		want  string // in Found; empty: all is well
	}{
		{0, 0, ""},
		{time.Second, 0, ""},
		{-time.Second, 0, ""},
		{-1900 * time.Millisecond, time.Second, ""},
		{5200 * time.Millisecond, 0, "ahead of this machine's by 5s"},
		{-5 * time.Second, 0, "behind this machine's by 5s"},
		{-5 * time.Second, time.Second, "behind this machine's by 4s"},
	} {
		c := ClockCheck("clock", sent.Add(test.there), sent, received, test.grain)
		if (c.Status == CheckOK) != (test.want == "") || !strings.Contains(c.Found, test.want) || (c.Advice == "") != (test.want == "") {
			t.Errorf("%s after, grain %s: %+v, want %q", test.there, test.grain, c, test.want)
		}
	}
}

// Not to be ready is an answer; what is no Paragon is an error.
func TestReady(t *testing.T) {
	body := `{"status":"unavailable","checks":{"redis":{"ok":false,"required":true,"error":"refused"}}}`
	c := quick(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, body)
	})
	r, err := c.Ready(t.Context())
	if err != nil || r.Status != "unavailable" || r.Checks["redis"].Error != "refused" || r.Date.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
	body = "<html>"
	if _, err := c.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "is not what Paragon answers") {
		t.Errorf("%v", err)
	}
}
