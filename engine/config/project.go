package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"paragon/engine/cache"
	"paragon/engine/store"
	"paragon/schema/api"
)

// CreateProject makes a project. A person who makes one is its first owner;
// for a key, which counts in its own project alone, the answer has the first
// owner key of the new one.
func (s *Service) CreateProject(ctx context.Context, actor Actor, name string) (*api.CreatedProject, error) {
	if !validProject(name) {
		return nil, invalid(fmt.Sprintf("%q is not a project name: lower-case letters, digits and hyphens, 63 at most", cut(name, 100)), nil)
	}
	if err := s.newProject(ctx, actor, name); err != nil {
		return nil, err
	}
	out := &api.CreatedProject{Project: api.Project{Name: name, Role: string(RoleOwner)}}
	if actor.Person != "" {
		return out, nil
	}
	key, err := s.CreateKey(ctx, System, name, api.CreateKeyRequest{Name: "first owner, made by " + cut(actor.Name, 60), Role: string(RoleOwner)})
	if err != nil {
		return nil, err
	}
	out.Token = key.Token
	return out, nil
}

// newProject creates a project with its data key, and its owner if a person
// makes it. One that exists is a conflict.
func (s *Service) newProject(ctx context.Context, actor Actor, name string) error {
	var made store.Project
	version, err := s.store.Update(ctx, name, func(tx store.ConfigTx) error {
		if _, err := tx.Project(ctx); !errors.Is(err, store.ErrNotFound) {
			if err != nil {
				return err
			}
			return conflict("project %s exists already", name)
		}
		wrapped, err := s.keys.NewDataKey(ctx, name)
		if err != nil {
			return err
		}
		made = store.Project{Name: name, DataKey: wrapped, Settings: json.RawMessage(`{}`), CreatedAt: s.now().UTC()}
		if err := tx.PutProject(ctx, made); err != nil {
			return err
		}
		if actor.Person != "" {
			if err := tx.PutMember(ctx, store.Member{Person: store.Person{ID: actor.Person}, Role: string(RoleOwner), AddedAt: s.now().UTC(), AddedBy: actor.Name}); err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, actor, "create", "project/"+name, map[string]any{"after": map[string]any{"settings": made.Settings}})
	})
	if err != nil {
		return storeError("create project", err)
	}
	s.publish(ctx, version, cache.Change{Projects: []store.Project{made}})
	return nil
}

// Projects lists the projects that somebody has a role in.
func Projects(roles map[string]Role) []api.Project {
	list := []api.Project{}
	for name, role := range roles {
		list = append(list, api.Project{Name: name, Role: string(role)})
	}
	slices.SortFunc(list, func(a, b api.Project) int { return strings.Compare(a.Name, b.Name) })
	return list
}
