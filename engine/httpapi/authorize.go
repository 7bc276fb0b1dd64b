package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"paragon/engine/cache"
	"paragon/engine/config"
	"paragon/engine/connect/users"
	"paragon/schema"
)

// caller is who sent a request: a key, a login, or a user of the product; one
// of them is set.
type caller struct {
	key   *cache.Key
	login *config.Login
	user  *users.User
	token string
}

// roles are the caller's, by project.
func (c *caller) roles() map[string]config.Role {
	switch {
	case c.key != nil:
		return map[string]config.Role{c.key.Project: config.Role(c.key.Role)}
	case c.user != nil:
		return nil
	}
	return c.login.Roles
}

func (c *caller) name() string {
	switch {
	case c.key != nil:
		return c.key.Name
	case c.user != nil:
		return "user/" + c.user.ID
	}
	return c.login.Person.Email
}

// actor is the caller in a project; without a role there, one that may
// nothing.
func (c *caller) actor(project, from string) config.Actor {
	a := config.Actor{Name: c.name(), Role: c.roles()[project], From: from}
	switch {
	case c.key != nil:
		a.KeyID, a.Scope = c.key.ID, config.ParseScope(c.key.Scope)
	case c.login != nil:
		a.Person = c.login.Person.ID
	}
	return a
}

// authorize finds out who calls and whether they may.
func (s *Server) authorize(w http.ResponseWriter, r *request) error {
	if r.route.access == public {
		return nil
	}
	c, err := s.authenticate(r)
	if err != nil {
		s.stranger(r, err)
		return err
	}
	r.caller = c
	infoOf(r.Request).actor = c.name()
	if err := s.callers.take(w.Header(), c, s.now()); err != nil {
		return err
	}
	if c.key != nil {
		s.opts.Config.TouchKey(c.key.ID)
	}
	project := r.project
	if r.route.access == installation {
		project = schema.DefaultProject
	}
	r.actor = c.actor(project, remoteHost(r.Request))
	if r.route.access == anyKey {
		return nil
	}
	if c.user != nil {
		return s.asUser(r, c.user)
	}
	if r.route.access != installation && r.actor.Role == "" {
		// Whether the other project exists is none of the caller's business.
		s.strange(r)
		return notFound("project %s does not exist, or your key is not for it", r.project)
	}
	if !r.actor.Allows(r.route.action) {
		reason := "role " + string(r.actor.Role) + " does not allow " + string(r.route.action)
		switch {
		case r.actor.Role == "":
			reason = "it needs a role in project " + schema.DefaultProject
		case r.actor.Role.Allows(r.route.action):
			reason = "the key's scope does not hold " + string(r.route.action)
		}
		s.refused(r, project, string(r.route.action), reason)
		return forbidden("%s", reason)
	}
	if r.route.access == connected {
		return s.forUser(r)
	}
	return nil
}

// strange writes to the audit log of the caller's own project that another was
// asked for. Whether there is such a project is not looked up.
func (s *Server) strange(r *request) {
	home := schema.DefaultProject
	if r.caller.key != nil {
		home = r.caller.key.Project
	}
	r.actor.Role = r.caller.roles()[home]
	s.refused(r, home, "other-project", "no role in the project of the path")
}

// refused writes a refusal to the audit log, without holding the caller up for
// long.
func (s *Server) refused(r *request, project, action, reason string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 2*time.Second)
	defer cancel()
	path := r.URL.Path
	s.opts.Config.Refused(ctx, r.actor, project, action, r.Method+" "+path[:min(len(path), 500)], reason)
}

// challenge is the WWW-Authenticate header of a 401 (RFC 6750 section 3).
const challenge = `Bearer realm="paragon"`

// authenticate finds who has the request's bearer token: a key in memory, so
// that it works with every database away, or a login in the store.
func (s *Server) authenticate(r *request) (*caller, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, unauthenticated("send an API key: Authorization: Bearer %s…", config.TokenPrefix)
	}
	if strings.HasPrefix(token, config.SessionPrefix) {
		login, err := s.opts.Config.Session(r.Context(), token)
		if err != nil {
			return nil, err
		}
		return &caller{login: login, token: token}, nil
	}
	if isUserToken(token) {
		return s.authenticateUser(r, token)
	}
	key := s.opts.Cache.Key(config.HashToken(token))
	if key == nil {
		if err := s.opts.Cache.Ready(); err != nil {
			return nil, unavailable("API keys are not loaded yet: %v", err)
		}
		return nil, unauthenticated("the API key is not known: it was deleted, or belongs to another server")
	}
	if key.Expired(s.now()) {
		return nil, unauthenticated("the API key expired at %s", key.ExpiresAt.UTC().Format(time.RFC3339))
	}
	return &caller{key: key, token: token}, nil
}
