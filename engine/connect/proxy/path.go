package proxy

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"paragon/schema"
)

// decodings is how often a path is decoded to look for a way out of the base
// path: a far side behind a gateway may decode it twice.
const decodings = 3

// join makes the URL of a call: the base, the path as it was escaped, and the
// query as it was sent. A path that could lead out of the base, by whatever
// spelling, is refused and not cleaned: what is sent is what was asked for.
func join(base *url.URL, path, query string) (*url.URL, error) {
	if err := stays(path); err != nil {
		return nil, problem(http.StatusBadRequest, schema.ProblemInvalid, "Invalid path", "the path of the call %s", err)
	}
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, problem(http.StatusBadRequest, schema.ProblemInvalid, "Invalid path", "the path of the call is not escaped as a URL: %v", err)
	}
	u := *base
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	u.Path = strings.TrimSuffix(base.Path, "/") + plain
	if raw := strings.TrimSuffix(base.EscapedPath(), "/") + path; raw != u.Path {
		u.RawPath = raw
	} else {
		u.RawPath = ""
	}
	switch {
	case base.RawQuery == "":
		u.RawQuery = query
	case query != "":
		u.RawQuery = base.RawQuery + "&" + query
	}
	return &u, nil
}

// stays tells why a path could lead out of where it begins, nil if it can't.
func stays(path string) error {
	if path != "" && path[0] != '/' {
		return fmt.Errorf("does not begin with a slash")
	}
	text := path
	for range decodings {
		if err := plainStays(text); err != nil {
			return err
		}
		if strings.IndexByte(text, '%') < 0 {
			return nil
		}
		next, err := url.PathUnescape(text)
		if err != nil || next == text {
			return nil // a percent sign that escapes nothing
		}
		text = next
	}
	return plainStays(text)
}

func plainStays(path string) error {
	begin := 0
	for i := 0; i <= len(path); i++ {
		if i < len(path) {
			if c := path[i]; c < ' ' || c == 0x7f {
				return fmt.Errorf("holds a control character")
			} else if c != '/' && c != '\\' && c != ';' {
				continue
			}
		}
		// A parameter (";") ends a segment too: some servers cut it off first.
		if segment := path[begin:i]; segment == ".." || segment == "." {
			return fmt.Errorf("holds the segment %q: write the path without it", segment)
		}
		begin = i + 1
	}
	return nil
}
