package httpapi

import (
	"errors"
	"strings"

	"paragon/engine/connect/users"
	"paragon/schema/api"
)

// isUserToken tells a user's JWT (three parts, RFC 7515 section 3.1) from a
// token of ours, which has no dot.
func isUserToken(token string) bool { return strings.Count(token, ".") == 2 }

// authenticateUser finds the user whose JWT this is. It works with every
// database away.
func (s *Server) authenticateUser(r *request, token string) (*caller, error) {
	if r.route.access != connected || s.opts.Book == nil {
		return nil, unauthenticated("a user's token does not count here: send an API key")
	}
	user, err := s.opts.Book.Verify(r.Context(), r.project, token)
	if err != nil {
		return nil, userProblem(err, r.project, "of the token")
	}
	return &caller{user: user, token: token}, nil
}

// asUser lets a user act for themselves.
func (s *Server) asUser(r *request, user *users.User) error {
	if name := r.Header.Get(api.HeaderUser); name != "" && name != user.ID {
		return forbidden("the token is of another user than %s names", api.HeaderUser)
	}
	r.user = user
	return r.readAccount()
}

// forUser finds the user that a key calls for.
func (s *Server) forUser(r *request) error {
	name := r.Header.Get(api.HeaderUser)
	if name == "" {
		return r.readAccount()
	}
	if s.opts.Book == nil {
		return unavailable("users are not served here")
	}
	if !users.ValidID(name) {
		return badField("header."+api.HeaderUser, "%s does not hold the id of a user", api.HeaderUser)
	}
	user, err := s.opts.Book.Active(r.Context(), r.project, name)
	if err != nil {
		return userProblem(err, r.project, name)
	}
	r.user = user
	return r.readAccount()
}

func (r *request) readAccount() error {
	r.account = r.Header.Get(api.HeaderAccount)
	if r.account != "" && !users.ValidAccount(r.account) {
		return badField("header."+api.HeaderAccount, "%s does not hold the name of an account", api.HeaderAccount)
	}
	return nil
}

// userProblem says to a caller why there is no user.
func userProblem(err error, project, name string) error {
	var token *users.TokenError
	switch {
	case errors.As(err, &token):
		return unauthenticated("%s", token.Error())
	case errors.Is(err, users.ErrNoUser):
		if name == "of the token" {
			return unauthenticated("the user of the token does not exist in project %s: create it with PUT …/users/{id}", project)
		}
		return notFound("there is no user %s in project %s", name, project)
	case errors.Is(err, users.ErrDisabled):
		return forbidden("the user is disabled")
	case errors.Is(err, users.ErrUnavailable):
		return unavailable("users can't be read now: %v", err)
	}
	return err
}

// own refuses a user who asks for another one, whose existence is none of their
// business.
func (r *request) own(id string) error {
	if r.caller.user != nil && r.caller.user.ID != id {
		return notFound("there is no user %s in project %s", id, r.project)
	}
	return nil
}
