package httpapi

import (
	"net/http"

	"paragon/engine/config"
	"paragon/engine/connect/users"
	"paragon/schema/api"
)

// userRoutes are the routes of the product's users and of the keys that their
// tokens are signed with.
func (s *Server) userRoutes() []route {
	if s.opts.Users == nil {
		return nil
	}
	none := []answer{{status: http.StatusNoContent}}
	user := []answer{{status: http.StatusOK, body: typeOf[api.User]()}}
	return []route{
		{method: "GET", path: pathProject + "/users", access: member, action: config.ActionReadUsers, id: "listUsers", tag: "users",
			summary: "List the product's users by id", params: []param{paramCursor, paramLimit},
			answers: []answer{{status: http.StatusOK, body: typeOf[api.List[api.User]]()}}, serve: s.listUsers},
		{method: "GET", path: pathProject + "/users/{id}", access: connected, action: config.ActionReadUsers, id: "getUser", tag: "users",
			summary: "Read a user", answers: user, serve: s.getUser},
		{method: "PUT", path: pathProject + "/users/{id}", access: member, action: config.ActionWriteUsers, id: "putUser", tag: "users",
			summary: "Create a user, or change what the body names", body: typeOf[api.PutUserRequest](), optional: true,
			answers: append(user, answer{status: http.StatusCreated, body: typeOf[api.User]()}), serve: s.putUser},
		{method: "DELETE", path: pathProject + "/users/{id}", access: member, action: config.ActionWriteUsers, id: "deleteUser", tag: "users",
			summary: "Remove a user with all credentials", answers: none, serve: s.deleteUser},

		{method: "GET", path: pathProject + "/user-keys", access: member, action: config.ActionReadKeys, id: "listUserKeys", tag: "users",
			summary: "List the public keys that users' tokens are checked with",
			answers: []answer{{status: http.StatusOK, body: typeOf[api.List[api.UserKey]]()}}, serve: s.listUserKeys},
		{method: "PUT", path: pathProject + "/user-keys/{kid}", access: member, action: config.ActionWriteKeys, id: "putUserKey", tag: "users",
			summary: "Add a public key, or replace the one with its id", body: typeOf[api.PutUserKeyRequest](),
			answers: []answer{{status: http.StatusOK, body: typeOf[api.UserKey]()}}, serve: s.putUserKey},
		{method: "DELETE", path: pathProject + "/user-keys/{kid}", access: member, action: config.ActionWriteKeys, id: "deleteUserKey", tag: "users",
			summary: "Remove a public key: tokens that it signed count no longer", answers: none, serve: s.deleteUserKey},
	}
}

// author is who the audit log names for a change of users.
func (r *request) author() users.Actor { return users.Actor{Name: r.actor.Name, From: r.actor.From} }

func (s *Server) listUsers(w http.ResponseWriter, r *request) error {
	q := r.query()
	cursor, limit := q.text("cursor"), q.number("limit", 1, 1000)
	if q.err != nil {
		return q.err
	}
	if limit == 0 {
		limit = 100
	}
	page, err := s.opts.Users.Users(r.Context(), r.project, cursor, int(limit))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, page)
}

func (s *Server) getUser(w http.ResponseWriter, r *request) error {
	id := r.PathValue("id")
	if err := r.own(id); err != nil {
		return err
	}
	user, err := s.opts.Users.User(r.Context(), r.project, id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, user)
}

func (s *Server) putUser(w http.ResponseWriter, r *request) error {
	var req api.PutUserRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	user, created, err := s.opts.Users.PutUser(r.Context(), r.author(), r.project, r.PathValue("id"), req)
	if err != nil {
		return err
	}
	if created {
		w.Header().Set("Location", r.URL.Path)
		return writeJSON(w, http.StatusCreated, user)
	}
	return writeJSON(w, http.StatusOK, user)
}

func (s *Server) deleteUser(w http.ResponseWriter, r *request) error {
	if err := s.opts.Users.DeleteUser(r.Context(), r.author(), r.project, r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) listUserKeys(w http.ResponseWriter, r *request) error {
	keys, err := s.opts.Users.UserKeys(r.Context(), r.project)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, api.List[api.UserKey]{Items: keys})
}

func (s *Server) putUserKey(w http.ResponseWriter, r *request) error {
	var req api.PutUserKeyRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	key, err := s.opts.Users.PutUserKey(r.Context(), r.author(), r.project, r.PathValue("kid"), req)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, key)
}

func (s *Server) deleteUserKey(w http.ResponseWriter, r *request) error {
	if err := s.opts.Users.DeleteUserKey(r.Context(), r.author(), r.project, r.PathValue("kid")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
