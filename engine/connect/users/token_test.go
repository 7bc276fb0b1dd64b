package users

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"paragon/schema/api"
)

// pair is a key of the product's.
type pair struct {
	method  jwt.SigningMethod
	private any
	pem     string
}

func publicPEM(t testing.TB, key crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// pairs are one key of each algorithm, made once.
var pairs = sync.OnceValue(func() map[string]pair {
	r, err1 := rsa.GenerateKey(rand.Reader, minRSA)
	e, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	public, private, err3 := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(err1, err2, err3); err != nil {
		panic(err)
	}
	encode := func(key crypto.PublicKey) string {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			panic(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	return map[string]pair{
		RS256: {jwt.SigningMethodRS256, r, encode(&r.PublicKey)},
		ES256: {jwt.SigningMethodES256, e, encode(&e.PublicKey)},
		EdDSA: {jwt.SigningMethodEdDSA, private, encode(public)},
	}
})

// sign makes a token.
func (p pair) sign(t testing.TB, kid string, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(p.method, claims)
	if kid != "" {
		token.Header["kid"] = kid
	}
	text, err := token.SignedString(p.private)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (r *rig) key(s *Service, kid string, p pair) {
	r.t.Helper()
	_, err := s.PutUserKey(r.t.Context(), ada, project, kid, api.PutUserKeyRequest{PublicKey: p.pem})
	r.must(err)
}

func TestTokensOfUsers(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	s := r.service()
	r.user(s, "u_1")
	claims := func(change ...any) jwt.MapClaims {
		c := jwt.MapClaims{"sub": "u_1", "aud": "paragon/default", "exp": r.now.Add(time.Hour).Unix(), "iat": r.now.Unix()}
		for i := 0; i < len(change); i += 2 {
			if c[change[i].(string)] = change[i+1]; change[i+1] == nil {
				delete(c, change[i].(string))
			}
		}
		return c
	}
	refused := func(name, token, reason string) {
		t.Helper()
		_, err := s.book.Verify(ctx, project, token)
		var te *TokenError
		if !errors.As(err, &te) || !strings.Contains(te.Reason, reason) {
			t.Errorf("%s: got %v; want %q", name, err, reason)
		}
	}
	accepted := func(name, token string) {
		t.Helper()
		if u, err := s.book.Verify(ctx, project, token); err != nil || u.ID != "u_1" {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused("no key yet", pairs()[ES256].sign(t, "a", claims()), "no public key")
	for alg, p := range pairs() {
		r.key(s, alg, p)
	}
	for alg, p := range pairs() {
		accepted(alg, p.sign(t, alg, claims()))
		accepted(alg+" without kid", p.sign(t, "", claims()))
		accepted(alg+" with several audiences", p.sign(t, alg, claims("aud", []string{"other", "paragon/default"})))
		accepted(alg+" a little late", p.sign(t, alg, claims("exp", r.now.Add(-skew+time.Second).Unix())))
		accepted(alg+" a little early", p.sign(t, alg, claims("nbf", r.now.Add(skew-time.Second).Unix(), "iat", r.now.Add(skew-time.Second).Unix())))
		for name, bad := range map[string]struct {
			claims jwt.MapClaims
			reason string
		}{
			"another project":  {claims("aud", "paragon/elsewhere"), "aud is not"},
			"no audience":      {claims("aud", nil), "aud"},
			"expired":          {claims("exp", r.now.Add(-skew-time.Second).Unix()), "expired"},
			"without end":      {claims("exp", nil), "lacks exp"},
			"not yet":          {claims("nbf", r.now.Add(skew+time.Second).Unix()), "nbf"},
			"from the future":  {claims("iat", r.now.Add(skew+time.Second).Unix()), "iat"},
			"no subject":       {claims("sub", nil), "sub"},
			"a path in sub":    {claims("sub", "../keys"), "sub"},
			"a subject of 201": {claims("sub", strings.Repeat("x", 201)), "sub"},
		} {
			refused(alg+" "+name, p.sign(t, alg, bad.claims), bad.reason)
		}
		good := p.sign(t, alg, claims())
		parts := strings.Split(good, ".")
		refused(alg+" with another's payload", parts[0]+"."+strings.Split(p.sign(t, alg, claims("sub", "u_2")), ".")[1]+"."+parts[2], "signature")
		refused(alg+" unsigned", parts[0]+"."+parts[1]+".", "")
		refused(alg+" unknown kid", p.sign(t, "gone", claims()), `key "gone"`)
	}
	// The algorithm is the key's, whatever the token says of itself.
	public := []byte(pairs()[RS256].pem)
	hmac := jwt.NewWithClaims(jwt.SigningMethodHS256, claims())
	hmac.Header["kid"] = RS256
	text, err := hmac.SignedString(public)
	r.must(err)
	refused("HS256 with the public key as its secret", text, "")
	none := jwt.NewWithClaims(jwt.SigningMethodNone, claims())
	text, err = none.SignedString(jwt.UnsafeAllowNoneSignatureType)
	r.must(err)
	refused("alg none", text, "")
	for _, m := range []jwt.SigningMethod{jwt.SigningMethodRS512, jwt.SigningMethodPS256} {
		refused(m.Alg(), pair{m, pairs()[RS256].private, ""}.sign(t, RS256, claims()), "")
	}
	refused("another key's kid", pairs()[ES256].sign(t, RS256, claims()), "is for RS256")
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	r.must(err)
	refused("a stranger's key", pair{jwt.SigningMethodES256, stranger, ""}.sign(t, ES256, claims()), "signature")
	refused("no JWT", "a.b.c", "no JWT")
	refused("too long", strings.Repeat("x", longestToken+1), "bytes")

	// A token that was verified does not outlive its end, its key or its user.
	kept := pairs()[EdDSA].sign(t, EdDSA, claims())
	accepted("kept", kept)
	r.advance(time.Hour + skew + time.Second)
	refused("kept, and late", kept, "expired")
	kept = pairs()[EdDSA].sign(t, EdDSA, jwt.MapClaims{"sub": "u_1", "aud": "paragon/default", "exp": r.clock().Add(time.Hour).Unix()})
	accepted("kept", kept)
	if _, err := s.book.Verify(ctx, "elsewhere", kept); err == nil {
		t.Error("a token counts in another project")
	}
	yes := true
	_, _, err = s.PutUser(ctx, ada, project, "u_1", api.PutUserRequest{Disabled: &yes})
	r.must(err)
	if _, err := s.book.Verify(ctx, project, kept); !errors.Is(err, ErrDisabled) {
		t.Errorf("of a disabled user: %v", err)
	}
	no := false
	_, _, err = s.PutUser(ctx, ada, project, "u_1", api.PutUserRequest{Disabled: &no})
	r.must(err)
	accepted("enabled again", kept)
	r.must(s.DeleteUserKey(ctx, ada, project, EdDSA))
	refused("the key is gone", kept, "key")
	r.must(s.DeleteUser(ctx, ada, project, "u_1"))
	if _, err := s.book.Verify(ctx, project, pairs()[ES256].sign(t, ES256, jwt.MapClaims{"sub": "u_1", "aud": "paragon/default", "exp": r.clock().Add(time.Hour).Unix()})); !errors.Is(err, ErrNoUser) {
		t.Errorf("of a user who is gone: %v", err)
	}
}

// Keys are rotated by adding the new one, signing with it, and then removing the
// old one: other processes follow each step.
func TestKeyRotation(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	s := r.service()
	r.user(s, "u_1")
	other := r.book()
	token := func(kid string, p pair) string {
		return p.sign(t, kid, jwt.MapClaims{"sub": "u_1", "aud": "paragon/default", "exp": r.now.Add(time.Hour).Unix()})
	}
	old, fresh := token("2026", pairs()[RS256]), token("2027", pairs()[ES256])
	counts := func(token string) bool {
		_, err := other.Verify(ctx, project, token)
		return err == nil
	}
	r.key(s, "2026", pairs()[RS256])
	r.soon("the first key counts", func() bool { return counts(old) })
	r.key(s, "2027", pairs()[ES256])
	r.soon("both count", func() bool { return counts(old) && counts(fresh) })
	r.must(s.DeleteUserKey(ctx, ada, project, "2026"))
	r.soon("the old one counts no longer", func() bool { return !counts(old) && counts(fresh) })
}

func TestParsePublicKey(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // the test is that it is refused
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(p384)
	if err != nil {
		t.Fatal(err)
	}
	for alg, p := range pairs() {
		if _, got, err := ParsePublicKey(p.pem); err != nil || got != alg {
			t.Errorf("%s: %s %v", alg, got, err)
		}
		for cut := range len(p.pem) {
			_, _, _ = ParsePublicKey(p.pem[:cut]) // no panic
		}
	}
	for name, c := range map[string]struct{ text, reason string }{
		"empty":   {"", "not PEM"},
		"small":   {publicPEM(t, &small.PublicKey), "1024 bits"},
		"curve":   {publicPEM(t, &p384.PublicKey), "P-384"},
		"private": {string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), "private key"},
		"two":     {pairs()[ES256].pem + pairs()[RS256].pem, "more behind"},
		"garbage": {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "can't be read"},
	} {
		if _, _, err := ParsePublicKey(c.text); err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	r := newRig(b)
	s := r.service()
	r.user(s, "u_1")
	_, err := s.PutUserKey(b.Context(), ada, project, "k", api.PutUserKeyRequest{PublicKey: pairs()[RS256].pem})
	r.must(err)
	token := pairs()[RS256].sign(b, "k", jwt.MapClaims{"sub": "u_1", "aud": "paragon/default", "exp": r.now.Add(time.Hour).Unix()})
	for b.Loop() {
		if _, err := s.book.Verify(b.Context(), project, token); err != nil {
			b.Fatal(err)
		}
	}
}
