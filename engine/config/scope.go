package config

import (
	"context"
	"slices"
	"strings"
	"time"

	"paragon/engine/cache"
	"paragon/engine/store"
	"paragon/schema/api"
)

// ParseScope reads the stored form of a scope: actions, separated by commas.
func ParseScope(text string) []Action {
	var list []Action
	for _, name := range scopeList(text) {
		list = append(list, Action(name))
	}
	return list
}

func scopeList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// newScope checks the scope that a new key is to have, and makes its stored
// form. An actor with a scope hands out no more than it.
func (s *Service) newScope(ctx context.Context, actor Actor, project, name string, role Role, want []string) (string, error) {
	for _, text := range want {
		if !role.Allows(Action(text)) {
			return "", invalid("scope: role "+string(role)+" does not allow "+quoted(text)+"; it allows "+allowed(role), nil)
		}
	}
	scope := slices.Clone(want)
	slices.Sort(scope)
	scope = slices.Compact(scope)
	if len(actor.Scope) == 0 {
		return strings.Join(scope, ","), nil
	}
	if len(scope) == 0 || slices.ContainsFunc(scope, func(a string) bool { return !slices.Contains(actor.Scope, Action(a)) }) {
		s.Refused(ctx, actor, project, "create", "key/"+name, "the scope goes beyond that of the key that asks")
		return "", forbidden("a key with a scope can hand out no more than that: name actions of it")
	}
	return strings.Join(scope, ","), nil
}

func quoted(text string) string { return `"` + cut(text, 100) + `"` }

func allowed(r Role) string {
	var names []string
	for _, a := range permissions[r] {
		names = append(names, string(a))
	}
	return strings.Join(names, ", ")
}

// RotateKey makes a key that may what an old one may, with its name and the
// length of its life, and lets the old one end after the overlap.
func (s *Service) RotateKey(ctx context.Context, actor Actor, project, id string, overlap time.Duration) (*api.CreatedKey, error) {
	if overlap < 0 || overlap > 30*24*time.Hour {
		return nil, invalid("overlapSeconds must be from 0 to 30 days", nil)
	}
	newID, token, err := newToken(TokenPrefix)
	if err != nil {
		return nil, err
	}
	hash, now := HashToken(token), s.now().UTC()
	var fresh, old store.Key
	refused := ""
	version, err := s.store.Update(ctx, project, func(tx store.ConfigTx) error {
		keys, err := tx.Keys(ctx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(keys, func(k store.Key) bool { return k.ID == id })
		if at < 0 {
			return notFound("there is no key %s", cut(id, 100))
		}
		old = keys[at]
		before := auditedKey(old)
		if !actor.Role.mayGrant(Role(old.Role)) || !actor.covers(old.Scope) {
			refused = "role " + string(actor.Role) + " can't rotate a key of role " + old.Role
			return forbidden("%s", refused)
		}
		if !old.ExpiresAt.IsZero() && !now.Before(old.ExpiresAt) {
			return conflict("key %s has expired: create another", id)
		}
		fresh = old
		fresh.ID, fresh.Hash, fresh.CreatedAt, fresh.CreatedBy, fresh.LastUsed = newID, hash[:], now, actor.Name, time.Time{}
		if !old.ExpiresAt.IsZero() {
			fresh.ExpiresAt = now.Add(old.ExpiresAt.Sub(old.CreatedAt))
		}
		if end := now.Add(overlap); old.ExpiresAt.IsZero() || end.Before(old.ExpiresAt) {
			old.ExpiresAt = end
		}
		if err := tx.PutKey(ctx, fresh); err != nil {
			return err
		}
		if err := tx.PutKey(ctx, old); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "rotate", "key/"+id, map[string]any{"before": before, "after": auditedKey(old), "new": newID})
	})
	if refused != "" {
		s.Refused(ctx, actor, project, string(ActionWriteKeys), "key/"+id, refused)
	}
	if err != nil {
		return nil, storeError("rotate key", err)
	}
	s.publish(ctx, version, cache.Change{Keys: []store.Key{fresh, old}})
	return &api.CreatedKey{Key: shownKey(fresh), Token: token}, nil
}

// covers tells whether a scope is within the actor's.
func (a Actor) covers(scope string) bool {
	if len(a.Scope) == 0 {
		return true
	}
	list := ParseScope(scope)
	return len(list) > 0 && !slices.ContainsFunc(list, func(x Action) bool { return !slices.Contains(a.Scope, x) })
}
