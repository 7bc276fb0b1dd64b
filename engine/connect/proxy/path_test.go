package proxy

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

func TestJoin(t *testing.T) {
	base, err := url.Parse("https://api.example.com/v2/")
	must(t, err)
	for in, want := range map[string]string{
		"":                     "/v2",
		"/":                    "/v2/",
		"/contacts":            "/v2/contacts",
		"/a%2Fb/%20x":          "/v2/a%2Fb/%20x",
		"//x":                  "/v2//x",
		"/a/..b/...":           "/v2/a/..b/...",
		"/@evil.example":       "/v2/@evil.example",
		"/%40evil.example:80/": "/v2/%40evil.example:80/",
		"/100%25":              "/v2/100%25",
		"/a:b;c=d,e":           "/v2/a:b;c=d,e",
	} {
		u, err := join(base, in, "q=1")
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if u.RequestURI() != want+"?q=1" || u.Host != base.Host || u.Scheme != "https" || u.User != nil {
			t.Errorf("%s: %s at %s; want %s", in, u.RequestURI(), u.Host, want)
		}
	}
	for _, in := range []string{
		"x", "/..", "/../admin", "/a/../../admin", "/%2e%2e/admin", "/.%2e/x", "/%2E%2E%2Fadmin", "/a/%252e%252e/x", "/%25252e%25252e/x",
		"/..%5cadmin", "/..\\admin", "/a%5c..%5cb", "/./x", "/%2e", "/..;/x", "/a/..;p=1/x", "/a%00", "/a%0d%0aX-Evil: 1", "/a%250d%250a", "/%7f", "/%zz", "/%",
	} {
		if u, err := join(base, in, ""); err == nil {
			t.Errorf("%s: became %s", in, u)
		}
	}
}

// Whatever path is asked for stays below the base, however often it is decoded
// and however it is cleaned.
func FuzzJoin(f *testing.F) {
	for _, seed := range []string{"/a", "/../x", "/%2e%2e/x", "//..//", "/a/%252e%252e", "/..;x/", "/\\..\\", "/%5c..%2f"} {
		f.Add(seed)
	}
	base, err := url.Parse("https://api.example.com/v2")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in string) {
		u, err := join(base, in, "")
		if err != nil {
			return
		}
		text := u.RequestURI()
		for range decodings {
			for _, spelling := range []string{text, strings.ReplaceAll(text, `\`, "/")} {
				if clean := path.Clean(spelling); clean != "/v2" && !strings.HasPrefix(clean, "/v2/") {
					t.Fatalf("%q became %q, which is %q", in, u.RequestURI(), clean)
				}
			}
			if text, err = url.PathUnescape(text); err != nil {
				return
			}
		}
	})
}
