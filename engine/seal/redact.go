package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// Redacted is what stands in the place of a secret.
const Redacted = "***"

// minSecret is the length in bytes from which on a value is redacted. A
// shorter one would be found everywhere by chance, mangle every log, and is
// guessed in seconds anyway.
const minSecret = 4

// Redactor replaces the plaintexts of secrets by ***: as they are, in base64
// (standard and URL alphabet, with and without padding, also in the middle of
// a longer encoded text such as basic authentication), as hexadecimal digits,
// URL-encoded and JSON-escaped. Values shorter than 4 bytes are left alone. A nil Redactor
// changes nothing. It is immutable and safe for concurrent use.
type Redactor struct {
	// starts has a bit for each pair of bytes that a pattern begins with, and
	// byStart the patterns by their first four bytes, longest first: most
	// positions of a text cost one look at the bits.
	starts  [1 << 16 / 64]uint64
	byStart map[[4]byte][]string
}

// NewRedactor returns a redactor of the secrets, nil when there is nothing to
// redact.
func NewRedactor(secrets ...string) *Redactor {
	r := &Redactor{byStart: map[[4]byte][]string{}}
	for _, s := range secrets {
		if len(s) < minSecret {
			continue
		}
		for _, form := range forms(s) {
			r.add(form)
		}
		// A secret read from a file or pasted may be used without its space.
		if t := strings.TrimSpace(s); t != s && len(t) >= minSecret {
			for _, form := range forms(t) {
				r.add(form)
			}
		}
	}
	if len(r.byStart) == 0 {
		return nil
	}
	for _, list := range r.byStart {
		slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) })
	}
	return r
}

func (r *Redactor) add(pattern string) {
	if len(pattern) < minSecret {
		return
	}
	start := [4]byte([]byte(pattern[:4]))
	if slices.Contains(r.byStart[start], pattern) {
		return
	}
	r.byStart[start] = append(r.byStart[start], pattern)
	pair := uint16(start[0])<<8 | uint16(start[1])
	r.starts[pair/64] |= 1 << (pair % 64)
}

// forms lists how a secret may be written.
func forms(s string) []string {
	out := []string{s}
	query, path := url.QueryEscape(s), url.PathEscape(s)
	out = append(out, query, path, strings.ReplaceAll(query, "+", "%20"), lowerHex(query), lowerHex(path))
	for _, html := range []bool{true, false} {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(html)
		if enc.Encode(s) == nil {
			out = append(out, strings.Trim(strings.TrimSuffix(b.String(), "\n"), `"`))
		}
	}
	digits := hex.EncodeToString([]byte(s))
	out = append(out, digits, strings.ToUpper(digits))
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		out = append(out, enc.EncodeToString([]byte(s)))
		// In the middle of a longer text the secret begins 0, 1 or 2 bytes into
		// a group of three, and ends somewhere in one: take the characters that
		// the secret alone decides.
		for shift := range 3 {
			text := enc.EncodeToString(append(make([]byte, shift), s...))
			from, to := (shift*8+5)/6, (shift+len(s))*8/6
			if to-from >= 6 {
				out = append(out, text[from:to])
			}
		}
	}
	return out
}

// lowerHex writes the digits of percent-encoding in lower case.
func lowerHex(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
			i += 2
		}
	}
	return string(b)
}

// match returns the length of the longest pattern at the beginning of s, or 0.
func match[T string | []byte](r *Redactor, s T) int {
	if len(s) < 4 {
		return 0
	}
	pair := uint16(s[0])<<8 | uint16(s[1])
	if r.starts[pair/64]&(1<<(pair%64)) == 0 {
		return 0
	}
	for _, p := range r.byStart[[4]byte{s[0], s[1], s[2], s[3]}] {
		if len(s) >= len(p) && string(s[:len(p)]) == p {
			return len(p)
		}
	}
	return 0
}

// next finds the first stretch of s, from at on, that patterns cover; ones
// that overlap are one stretch, so that no end of a secret is left over.
func next[T string | []byte](r *Redactor, s T, at int) (from, to int) {
	for i := at; i+minSecret <= len(s); i++ {
		n := match(r, s[i:])
		if n == 0 {
			continue
		}
		from, to = i, i+n
		for j := i + 1; j < to; j++ {
			if n := match(r, s[j:]); j+n > to {
				to = j + n
			}
		}
		return from, to
	}
	return -1, -1
}

// Contains tells whether s holds a secret in any of its forms.
func (r *Redactor) Contains(s string) bool {
	if r == nil {
		return false
	}
	from, _ := next(r, s, 0)
	return from >= 0
}

// ContainsBytes is Contains for bytes.
func (r *Redactor) ContainsBytes(b []byte) bool {
	if r == nil {
		return false
	}
	from, _ := next(r, b, 0)
	return from >= 0
}

// String returns s with every secret replaced.
func (r *Redactor) String(s string) string {
	if r == nil {
		return s
	}
	from, to := next(r, s, 0)
	if from < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	at := 0
	for from >= 0 {
		b.WriteString(s[at:from])
		b.WriteString(Redacted)
		at = to
		from, to = next(r, s, at)
	}
	b.WriteString(s[at:])
	return b.String()
}
