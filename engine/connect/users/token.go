package users

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"paragon/engine/store"
)

const (
	// skew is how far the product's clock may be from ours.
	skew = time.Minute
	// longestToken bounds a token in bytes.
	longestToken = 8 << 10
)

// Audience is the aud of tokens for a project.
func Audience(project string) string { return "paragon/" + project }

// TokenError is a token that does not count, for the reason that it names.
type TokenError struct{ Reason string }

// Error says why.
func (e *TokenError) Error() string { return "the user's token does not count: " + e.Reason }

// publicKey is a key with the one algorithm that it verifies.
type publicKey struct {
	algorithm string
	key       crypto.PublicKey
}

// keySet is a project's public keys at one time.
type keySet struct{ byID map[string]publicKey }

// redisKey is a public key as Redis holds it.
type redisKey struct {
	ID  string `json:"id"`
	PEM string `json:"pem"`
}

// keysHash is a project's stored keys as Redis holds them. Without any there is
// nothing.
func keysHash(generation int64, keys []store.UserKey) hash {
	if len(keys) == 0 {
		return hash{generation: generation}
	}
	list := make([]redisKey, len(keys))
	for i, k := range keys {
		list[i] = redisKey{k.ID, k.PEM}
	}
	return hash{generation: generation, body: asJSON(list)}
}

// verified is a token whose signature counts as long as the keys are the same.
type verified struct {
	keys    *keySet
	user    string
	expires time.Time
}

// Verify returns the user of a JWT (RFC 7519) for a project: signed by one of the
// project's keys with that key's algorithm, for the audience paragon/<project>,
// within its time. It fails with a *TokenError, ErrNoUser, ErrDisabled or
// ErrUnavailable.
func (b *Book) Verify(ctx context.Context, project, token string) (*User, error) {
	if len(token) > longestToken {
		return nil, &TokenError{fmt.Sprintf("it has %d bytes, %d are the most", len(token), longestToken)}
	}
	keys, err := b.keys(ctx, project)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256([]byte(project + "\x00" + token))
	b.mu.Lock()
	v, ok := b.verified[id]
	b.mu.Unlock()
	if !ok || v.keys != keys {
		if v, err = b.verify(project, token, keys); err != nil {
			return nil, err
		}
		b.mu.Lock()
		makeRoom(b.verified)
		b.verified[id] = v
		b.mu.Unlock()
	}
	if b.now().After(v.expires.Add(skew)) {
		return nil, &TokenError{"it expired at " + v.expires.UTC().Format(time.RFC3339)}
	}
	return b.Active(ctx, project, v.user)
}

// keys are a project's public keys.
func (b *Book) keys(ctx context.Context, project string) (*keySet, error) {
	v, err := b.value(ctx, keysKey(project), shardOf(project, ""), func(h hash) (any, error) {
		var list []redisKey
		if err := json.Unmarshal([]byte(h.body), &list); err != nil {
			return nil, fmt.Errorf("read the public keys of project %s: %w", project, err)
		}
		set := &keySet{map[string]publicKey{}}
		for _, k := range list {
			key, algorithm, err := ParsePublicKey(k.PEM)
			if err != nil {
				return nil, fmt.Errorf("read the public key %s of project %s: %w", k.ID, project, err)
			}
			set.byID[k.ID] = publicKey{algorithm, key}
		}
		return set, nil
	})
	if err != nil {
		return nil, err
	}
	if set, ok := v.(*keySet); ok {
		return set, nil
	}
	return nil, &TokenError{"project " + project + " has no public key to check it with: paragonctl user key set"}
}

// verify checks signature and claims. The algorithm is the key's: what the
// token's header says must agree and decides nothing.
func (b *Book) verify(project, token string, keys *keySet) (verified, error) {
	claims := jwt.RegisteredClaims{}
	find := func(t *jwt.Token) (any, error) {
		algorithm, _ := t.Header["alg"].(string)
		if kid, named := t.Header["kid"]; named {
			id, _ := kid.(string)
			k, ok := keys.byID[id]
			switch {
			case !ok:
				return nil, &TokenError{fmt.Sprintf("it names the key %q, which the project does not have", cut(id))}
			case k.algorithm != algorithm:
				return nil, &TokenError{fmt.Sprintf("it is signed by %s, and the key %q is for %s", cut(algorithm), cut(id), k.algorithm)}
			}
			return k.key, nil
		}
		set := jwt.VerificationKeySet{}
		for _, k := range keys.byID {
			if k.algorithm == algorithm {
				set.Keys = append(set.Keys, k.key)
			}
		}
		if len(set.Keys) == 0 {
			return nil, &TokenError{fmt.Sprintf("it names no key (kid), and the project has none for %s", cut(algorithm))}
		}
		return set, nil
	}
	_, err := jwt.ParseWithClaims(token, &claims, find, jwt.WithValidMethods([]string{RS256, ES256, EdDSA}), jwt.WithAudience(Audience(project)),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(skew), jwt.WithTimeFunc(b.now))
	if err != nil {
		return verified{}, tokenError(project, err)
	}
	if !ValidID(claims.Subject) {
		return verified{}, &TokenError{"its sub is not the id of a user"}
	}
	return verified{keys, claims.Subject, claims.ExpiresAt.Time}, nil
}

// tokenError says in our words what the library found.
func tokenError(project string, err error) error {
	var own *TokenError
	if errors.As(err, &own) {
		return own
	}
	for _, known := range []struct {
		err    error
		reason string
	}{
		{jwt.ErrTokenMalformed, "it is no JWT"},
		{jwt.ErrTokenSignatureInvalid, "its signature is wrong, or its algorithm is none of RS256, ES256 and EdDSA"},
		{jwt.ErrTokenInvalidAudience, "its aud is not " + Audience(project)},
		{jwt.ErrTokenExpired, "it has expired"},
		{jwt.ErrTokenNotValidYet, "it counts only later (nbf): are the clocks right?"},
		{jwt.ErrTokenUsedBeforeIssued, "it was issued in the future (iat): are the clocks right?"},
		{jwt.ErrTokenRequiredClaimMissing, "it lacks exp or aud"},
	} {
		if errors.Is(err, known.err) {
			return &TokenError{known.reason}
		}
	}
	return &TokenError{"it can't be read"}
}
