package outbound

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"paragon/workflows/exchange"
)

func TestRedirectLoopsEnd(t *testing.T) {
	hops := 0
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		hops++
		http.Redirect(w, r, "/again", http.StatusFound)
	})
	_, err := client(t).Do(context.Background(), request(t, "GET", s.URL, ""), exchange.Options{MaxRedirects: 4})
	wantKind(t, err, exchange.KindRedirect)
	if hops != 5 {
		t.Errorf("%d requests for 4 redirects", hops)
	}
	resp, err := client(t).Do(context.Background(), request(t, "GET", s.URL, ""), exchange.Options{MaxRedirects: -1})
	if err != nil || resp.Status != http.StatusFound || resp.Header.Get("Location") != "/again" {
		t.Errorf("the redirect itself: %v", err)
	}
}

func TestCredentialsStayAtTheirOrigin(t *testing.T) {
	var atOther, back http.Header
	var home string
	other := server(t, func(w http.ResponseWriter, r *http.Request) {
		atOther = r.Header.Clone()
		http.Redirect(w, r, home+"/back", http.StatusTemporaryRedirect)
	})
	origin := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/out":
			http.Redirect(w, r, other.URL+"/", http.StatusTemporaryRedirect)
		case "/in":
			http.Redirect(w, r, "/here", http.StatusTemporaryRedirect)
		default:
			back = r.Header.Clone()
			io.Copy(w, r.Body)
		}
	})
	home = origin.URL
	send := func(path string) *exchange.Response {
		req := request(t, "POST", origin.URL+path+"?key=hunter2", "payload")
		for _, name := range []string{"Authorization", "Cookie", "X-Api-Key", "Proxy-Authorization"} {
			req.Header.Set(name, "hunter2")
		}
		req.Header.Set("Content-Type", "text/plain")
		req.Header.Set("Idempotency-Key", "k1")
		resp, err := client(t).Do(context.Background(), req, exchange.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}

	resp := send("/out")
	for where, h := range map[string]http.Header{"the other host": atOther, "home, by way of the other host": back} {
		for name, values := range h {
			if strings.Contains(strings.Join(values, ""), "hunter2") {
				t.Errorf("%s got %s", where, name)
			}
		}
		if h.Get("Content-Type") != "text/plain" || h.Get("Idempotency-Key") != "k1" {
			t.Errorf("%s lacks a harmless header: %v", where, h)
		}
	}
	if string(resp.Body) != "payload" {
		t.Errorf("a 307 sends the body again: %q", resp.Body)
	}

	send("/in")
	if back.Get("Authorization") != "hunter2" || back.Get("X-Api-Key") != "hunter2" {
		t.Errorf("the same origin lost its credentials: %v", back)
	}
	if back.Get("Referer") != "" {
		t.Errorf("the Referer shows the query: %s", back.Get("Referer"))
	}
}

func TestSameOrigin(t *testing.T) {
	for _, tc := range []struct {
		from, to string
		same     bool
	}{
		{"http://a/x", "http://a/y", true},
		{"http://a/x", "http://A.:80/y", true},
		{"http://a/", "https://a/", true},
		{"https://a/", "http://a/", false},
		{"http://a/", "http://b/", false},
		{"http://a/", "http://sub.a/", false},
		{"http://a:8080/", "https://a/", false},
		{"http://a:1/", "http://a:2/", false},
	} {
		from, _ := url.Parse(tc.from)
		to, _ := url.Parse(tc.to)
		if exchange.SameOrigin(from, to) != tc.same {
			t.Errorf("%s to %s", tc.from, tc.to)
		}
	}
}
