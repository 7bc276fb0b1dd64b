package steps

import (
	"slices"
	"strings"
)

// redactor replaces the secrets that the engine knows, and the ones that come up
// during an attempt: a token that was fetched, the encoded form of a password.
type redactor struct {
	known func(string) string
	more  []string
}

func newRedactor(known func(string) string) *redactor {
	if known == nil {
		known = func(s string) string { return s }
	}
	return &redactor{known: known}
}

// add makes a text a secret. Short ones would black out innocent words.
func (r *redactor) add(secret string) {
	if len(secret) >= 6 && !slices.Contains(r.more, secret) {
		r.more = append(r.more, secret)
	}
}

func (r *redactor) text(s string) string {
	for _, secret := range r.more {
		s = strings.ReplaceAll(s, secret, "***")
	}
	return r.known(s)
}
