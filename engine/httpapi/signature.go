package httpapi

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // senders that sign so exist; HMAC-SHA-1 is not broken
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"paragon/schema"
)

// defaultTolerance is the greatest distance of a signed time from now.
const defaultTolerance = 5 * time.Minute

// errSecret says that a secret that the webhook's auth names has no value
// here.
var errSecret = errors.New("the webhook's secret is not set")

// verifier checks how a webhook request proves where it comes from.
type verifier struct {
	secret func(name string) (string, bool)
	now    time.Time
}

// verify returns nil when the request is what auth asks for, errSecret when
// that can't be told, else why not. The raw body is what is signed. All
// comparisons of secrets take the same time wherever they differ.
func (v verifier) verify(auth *schema.WebhookAuth, r *http.Request, body []byte) error {
	switch {
	case auth == nil:
		return nil
	case auth.Preset != nil:
		return v.preset(auth.Preset, r.Header, body)
	case auth.HMAC != nil:
		return v.hmac(auth.HMAC, r.Header, body)
	case auth.Basic != nil:
		password, err := v.value(auth.Basic.Password)
		if err != nil {
			return err
		}
		user, given, ok := r.BasicAuth()
		if !ok {
			return errors.New("basic authentication is missing")
		}
		// Both are compared, so that the time does not tell which one was wrong.
		if !same(user, auth.Basic.Username) || !same(given, password) {
			return errors.New("the user name or the password is wrong")
		}
		return nil
	case auth.Bearer != nil:
		token, err := v.value(auth.Bearer.Token)
		if err != nil {
			return err
		}
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return errors.New("the bearer token is missing")
		}
		if !same(strings.TrimSpace(given), token) {
			return errors.New("the bearer token is wrong")
		}
		return nil
	case auth.APIKey != nil:
		want, err := v.value(auth.APIKey.Secret)
		if err != nil {
			return err
		}
		given := r.Header.Get(auth.APIKey.Header)
		if auth.APIKey.Header == "" {
			given = r.URL.Query().Get(auth.APIKey.Query)
		}
		if given == "" {
			return errors.New("the API key is missing")
		}
		if !same(given, want) {
			return errors.New("the API key is wrong")
		}
		return nil
	}
	// An auth that this version does not know must not let anyone in.
	return errors.New("the webhook's auth is not known to this version")
}

// same compares in constant time; hashing first hides the lengths as well.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func (v verifier) value(name string) (string, error) {
	value, ok := v.secret(name)
	if !ok || value == "" {
		return "", fmt.Errorf("%w: %s", errSecret, name)
	}
	return value, nil
}

func (v verifier) hmac(auth *schema.HMACAuth, h http.Header, body []byte) error {
	key, err := v.value(auth.Secret)
	if err != nil {
		return err
	}
	signature := strings.TrimSpace(h.Get(auth.Header))
	if signature == "" {
		return fmt.Errorf("the header %s with the signature is missing", auth.Header)
	}
	if auth.Prefix != "" {
		rest, ok := strings.CutPrefix(signature, auth.Prefix)
		if !ok {
			return fmt.Errorf("the signature in %s does not begin with %s", auth.Header, auth.Prefix)
		}
		signature = strings.TrimSpace(rest)
	}
	parts := [][]byte{body}
	if auth.TimestampHeader != "" {
		stamp := strings.TrimSpace(h.Get(auth.TimestampHeader))
		if err := v.timely(stamp, auth.TimestampHeader, auth.Tolerance); err != nil {
			return err
		}
		parts = [][]byte{[]byte(stamp + "."), body}
	}
	newHash := sha256.New
	switch auth.Algorithm {
	case "", "sha256":
	case "sha1":
		newHash = sha1.New
	case "sha512":
		newHash = sha512.New
	default:
		return fmt.Errorf("the algorithm %s is not known to this version", auth.Algorithm)
	}
	given, err := decodeSignature(signature, auth.Encoding)
	if err != nil {
		return fmt.Errorf("the signature in %s %w", auth.Header, err)
	}
	return matches(given, mac(newHash, []byte(key), parts...))
}

func decodeSignature(text, encoding string) ([]byte, error) {
	switch encoding {
	case "", "hex":
		b, err := hex.DecodeString(text)
		if err != nil {
			return nil, errors.New("is not hexadecimal")
		}
		return b, nil
	case "base64":
		text = strings.TrimRight(text, "=")
		b, err := base64.RawStdEncoding.DecodeString(text)
		if err != nil {
			b, err = base64.RawURLEncoding.DecodeString(text)
		}
		if err != nil {
			return nil, errors.New("is not base64")
		}
		return b, nil
	}
	return nil, errors.New("has an encoding that is not known to this version")
}

func mac(newHash func() hash.Hash, key []byte, parts ...[]byte) []byte {
	m := hmac.New(newHash, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}

var errWrongSignature = errors.New("the signature does not fit the body")

// matches compares a signature in constant time with the right one.
func matches(given, right []byte) error {
	if !hmac.Equal(given, right) {
		return errWrongSignature
	}
	return nil
}

// timely checks that a Unix time in seconds is close enough to now, so that a
// request that was listened to can't be sent again later.
func (v verifier) timely(stamp, where string, tolerance schema.Duration) error {
	if stamp == "" {
		return fmt.Errorf("the timestamp in %s is missing", where)
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return fmt.Errorf("the timestamp in %s is not a Unix time in seconds", where)
	}
	most := time.Duration(tolerance)
	if most <= 0 {
		most = defaultTolerance
	}
	if off := v.now.Sub(time.Unix(seconds, 0)); off > most || off < -most {
		return fmt.Errorf("the timestamp in %s is more than %s from now", where, schema.Duration(most))
	}
	return nil
}
