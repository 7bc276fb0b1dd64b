package exchange

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Under is the URL of a path below a base, whose scheme, host and port it keeps.
// The path may bring a query; what is encoded in it stays as it is. One that climbs, in
// whatever spelling, is refused, and so is a fragment.
func Under(base *url.URL, path string) (*url.URL, error) {
	path, query, _ := strings.Cut(path, "?")
	switch {
	case strings.ContainsRune(path, '#'), strings.ContainsRune(query, '#'):
		return nil, errors.New("it can't have a fragment; write # as %23")
	case strings.ContainsFunc(path+query, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return nil, errors.New("it holds a line break or another control character")
	}
	escaped := base.EscapedPath()
	if path != "" {
		escaped = strings.TrimSuffix(escaped, "/") + "/" + strings.TrimPrefix(encoded(path), "/")
	}
	plain, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, errors.New("it holds a % that begins no escape; write it as %25")
	}
	for text, more := plain, decodings; ; more-- {
		if climbs(text) {
			return nil, errors.New("it can't climb out of the base")
		}
		next, err := url.PathUnescape(text)
		if err != nil || next == text || more == 0 {
			break
		}
		text = next
	}
	u := *base
	u.Path, u.RawPath = plain, escaped
	if query != "" {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += encoded(query)
	}
	return &u, nil
}

// decodings is how often more a path is decoded to look for a way out: a server
// behind a gateway may decode it again.
const decodings = 2

// climbs tells whether a path has an element of dots alone.
func climbs(path string) bool {
	for element := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		// A server may drop parameters (RFC 3986 section 3.3) before it resolves dots.
		if name, _, _ := strings.Cut(element, ";"); name == "." || name == ".." {
			return true
		}
	}
	return false
}

// encoded escapes what can't stand in a URL at all, and leaves escapes alone.
func encoded(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
