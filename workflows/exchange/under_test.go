package exchange

import (
	"net/url"
	"path"
	"strings"
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
		"/./x", "/..;x=1/admin", "/%252e%252e/admin", "/%25252e%25252e/admin", "/..%252fadmin", "/..%255cadmin", "/%2e%2e;x/admin", "/a#b", "/a?b#c", "/a\r\nHost: evil", "/%zz", "/a?b=\x00",
	} {
		if u, err := Under(base, path); err == nil {
			t.Errorf("%q is let through: %s", path, u)
		}
	}
}

// Whatever path is asked for stays below the base, however often it is decoded
// and however it is cleaned.
func FuzzUnder(f *testing.F) {
	for _, seed := range []string{"/a", "/../x", "/%2e%2e/x", "//..//", "/a/%252e%252e", "/..;x/", "/\\..\\", "/%5c..%2f", "/100%25"} {
		f.Add(seed)
	}
	base, err := url.Parse("https://api.example.com/v2")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in string) {
		u, err := Under(base, in)
		if err != nil {
			return
		}
		if !SameOrigin(base, u) || u.User != nil {
			t.Fatalf("%q became %s", in, u)
		}
		text := u.EscapedPath()
		for range decodings + 1 {
			for _, spelling := range []string{text, strings.ReplaceAll(text, `\`, "/")} {
				if clean := path.Clean(spelling); clean != "/v2" && !strings.HasPrefix(clean, "/v2/") {
					t.Fatalf("%q became %q, which is %q", in, u.EscapedPath(), clean)
				}
			}
			if text, err = url.PathUnescape(text); err != nil {
				return
			}
		}
	})
}
