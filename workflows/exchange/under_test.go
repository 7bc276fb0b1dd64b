package exchange

import (
	"net/url"
	"testing"
)

func TestUnder(t *testing.T) {
	for _, tt := range []struct{ base, path, want string }{
		{"https://api.example.com/v2", "/contacts", "https://api.example.com/v2/contacts"},
		{"https://api.example.com/v2/", "contacts", "https://api.example.com/v2/contacts"},
		{"https://api.example.com", "/contacts", "https://api.example.com/contacts"},
		{"https://api.example.com/v2", "", "https://api.example.com/v2"},
		{"https://api.example.com/v2", "/a?b=c&d=e f", "https://api.example.com/v2/a?b=c&d=e%20f"},
		{"https://api.example.com/v2", "/a%2Fb/ö x", "https://api.example.com/v2/a%2Fb/%C3%B6%20x"},
		{"https://api.example.com/v2", "//evil.example/x", "https://api.example.com/v2//evil.example/x"},
		{"https://api.example.com/v2", "https://evil.example/x", "https://api.example.com/v2/https://evil.example/x"},
		{"https://api.example.com/v2", "@evil.example", "https://api.example.com/v2/@evil.example"},
		{"https://api.example.com/v2", "/a..b/...", "https://api.example.com/v2/a..b/..."},
	} {
		base, err := url.Parse(tt.base)
		if err != nil {
			t.Fatal(err)
		}
		u, err := Under(base, tt.path)
		if err != nil {
			t.Errorf("%s: %v", tt.path, err)
			continue
		}
		if got := u.String(); got != tt.want || !SameOrigin(base, u) {
			t.Errorf("%s %s: %s", tt.base, tt.path, got)
		}
	}
	base := &url.URL{Scheme: "https", Host: "api.example.com", Path: "/v2"}
	for _, path := range []string{
		"/..", "../admin", "/a/../../admin", "/%2e%2e/admin", "/.%2E/admin", "/a%2f..%2fadmin", `/..\admin`, "/%5c..%5cadmin",
		"/./x", "/..;x=1/admin", "/a#b", "/a?b#c", "/a\r\nHost: evil", "/%zz", "/a?b=\x00",
	} {
		if u, err := Under(base, path); err == nil {
			t.Errorf("%q is let through: %s", path, u)
		}
	}
}
