package config

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"paragon/engine/cache"
	"paragon/engine/store"
	"paragon/schema/api"
)

// TokenPrefix begins every token, so that scanners for leaked secrets know
// one.
const TokenPrefix = "pgn_"

const (
	tokenBytes = 32
	base62     = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	// tokenDigits is how many digits 32 bytes take in base 62.
	tokenDigits = 43
)

// newToken returns a token "<prefix><id>_<43 digits in base 62>" with its id.
func newToken(prefix string) (id, token string, err error) {
	random := make([]byte, 8+tokenBytes)
	if _, err := rand.Read(random); err != nil {
		return "", "", fmt.Errorf("make token: %w", err)
	}
	id = strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random[:8]))
	digits := make([]byte, tokenDigits)
	n, base, digit := new(big.Int).SetBytes(random[8:]), big.NewInt(62), new(big.Int)
	for i := range digits {
		n.DivMod(n, base, digit)
		digits[tokenDigits-1-i] = base62[digit.Int64()]
	}
	return id, prefix + id + "_" + string(digits), nil
}

// HashToken is what is stored of a token. A token has 256 random bits, so that
// a plain hash can't be reversed by trying.
func HashToken(token string) [32]byte { return sha256.Sum256([]byte(token)) }

// CreateKey makes an API key and returns its token, the one time it is known.
// An actor can't hand out more than it has: that is a *schema.Problem
// (forbidden).
func (s *Service) CreateKey(ctx context.Context, actor Actor, project string, req api.CreateKeyRequest) (*api.CreatedKey, error) {
	role := Role(req.Role)
	name := strings.TrimSpace(req.Name)
	switch {
	case name == "" || utf8.RuneCountInString(name) > 100 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }):
		return nil, invalid("a key needs a name of 1 to 100 characters that says who uses it", nil)
	case !req.ExpiresAt.IsZero() && !req.ExpiresAt.After(s.now()):
		return nil, invalid("expiresAt is in the past", nil)
	}
	if err := s.mayHandOut(ctx, actor, project, "create", "key/"+name, role); err != nil {
		return nil, err
	}
	scope, err := s.newScope(ctx, actor, project, name, role, req.Scope)
	if err != nil {
		return nil, err
	}
	id, token, err := newToken(TokenPrefix)
	if err != nil {
		return nil, err
	}
	hash := HashToken(token)
	key := store.Key{ID: id, Project: project, Name: name, Role: string(role), Scope: scope, Hash: hash[:],
		CreatedAt: s.now().UTC(), CreatedBy: actor.Name, ExpiresAt: req.ExpiresAt}
	version, err := s.store.Update(ctx, project, func(tx store.ConfigTx) error {
		if _, err := s.project(ctx, tx, project); err != nil {
			return err
		}
		if err := tx.PutKey(ctx, key); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "create", "key/"+id, map[string]any{"after": auditedKey(key)})
	})
	if err != nil {
		return nil, storeError("create key", err)
	}
	s.publish(ctx, version, cache.Change{Keys: []store.Key{key}})
	return &api.CreatedKey{Key: shownKey(key), Token: token}, nil
}

// ListKeys lists a project's keys, oldest first.
func (s *Service) ListKeys(ctx context.Context, project string) ([]api.Key, error) {
	list := []api.Key{}
	keys, err := s.store.KeysOf(ctx, project)
	for _, k := range keys {
		list = append(list, shownKey(k))
	}
	slices.SortStableFunc(list, func(a, b api.Key) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return list, storeError("list keys", err)
}

// DeleteKey ends a key. The last owner key can't go, since nobody could then
// make another, nor one that may more than the actor.
func (s *Service) DeleteKey(ctx context.Context, actor Actor, project, id string) error {
	var refused error
	version, err := s.store.Update(ctx, project, func(tx store.ConfigTx) error {
		keys, err := tx.Keys(ctx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(keys, func(k store.Key) bool { return k.ID == id })
		if at < 0 {
			return notFound("there is no key %s", id)
		}
		key := keys[at]
		if !actor.Role.mayGrant(Role(key.Role)) {
			refused = forbidden("role %s can't delete a key of role %s", actor.Role, key.Role)
			return refused
		}
		// The program itself may: it makes another at once.
		if !actor.isSystem() && Role(key.Role) == RoleOwner {
			n, err := s.owners(ctx, tx, "", id)
			if err != nil {
				return err
			}
			if n == 0 {
				return conflict("key %s is the last owner key, and no member is an owner: create another first", id)
			}
		}
		if err := tx.DeleteKey(ctx, id); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "delete", "key/"+id, map[string]any{"before": auditedKey(key)})
	})
	if refused != nil && errors.Is(err, refused) {
		s.Refused(ctx, actor, project, "delete", "key/"+id, refused.Error()) // after the transaction, which took it back
		return err
	}
	if errors.Is(err, store.ErrNotFound) {
		return notFound("there is no key %s", id)
	}
	if err != nil {
		return storeError("delete key", err)
	}
	s.publish(ctx, version, cache.Change{DeletedKeys: []string{id}})
	return nil
}

// Bootstrap creates the project unless it exists, and an owner key when it has
// no key at all. It returns that key's token, or nothing when there are keys:
// theirs are not known any more.
func (s *Service) Bootstrap(ctx context.Context, project string) (token string, err error) {
	if err := s.EnsureProject(ctx, project); err != nil {
		return "", err
	}
	keys, err := s.ListKeys(ctx, project)
	if err != nil || len(keys) > 0 {
		return "", err
	}
	created, err := s.CreateKey(ctx, System, project, api.CreateKeyRequest{Name: "bootstrap", Role: string(RoleOwner)})
	if err != nil {
		return "", err
	}
	return created.Token, nil
}

func shownKey(k store.Key) api.Key {
	return api.Key{ID: k.ID, Name: k.Name, Role: k.Role, Scope: scopeList(k.Scope), CreatedAt: k.CreatedAt, CreatedBy: k.CreatedBy,
		ExpiresAt: k.ExpiresAt, LastUsed: k.LastUsed}
}

// usedKeys gathers when keys were used, to write it once a minute.
type usedKeys struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// TouchKey notes that a key was used now. It costs no I/O.
func (s *Service) TouchKey(id string) {
	now := s.now().UTC()
	s.used.mu.Lock()
	defer s.used.mu.Unlock()
	if s.used.last == nil {
		s.used.last = map[string]time.Time{}
	}
	s.used.last[id] = now
}

// flushUsed writes the last uses; on an error they stay for the next time.
func (s *Service) flushUsed(ctx context.Context) {
	s.used.mu.Lock()
	last := s.used.last
	s.used.last = nil
	s.used.mu.Unlock()
	if len(last) == 0 {
		return
	}
	if err := s.store.TouchKeys(ctx, last); err != nil {
		s.used.mu.Lock()
		defer s.used.mu.Unlock()
		for id, at := range s.used.last {
			last[id] = at
		}
		s.used.last = last
	}
}
