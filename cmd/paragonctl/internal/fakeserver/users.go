package fakeserver

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"paragon/schema"
	"paragon/schema/api"
)

// productUsers are the product's users, with their keys and credentials.
type productUsers struct {
	users       []api.User
	keys        []api.UserKey
	credentials []api.Credential
	// workflows are what users have of workflows, by user.
	workflows map[string][]api.UserWorkflow
	// asked counts how often it was asked how an authorization stands.
	asked int
}

// userRoutes are the routes of users, of their keys and of credentials.
func (s *Server) userRoutes(project string) map[string]func(http.ResponseWriter, *http.Request) error {
	routes := map[string]func(http.ResponseWriter, *http.Request) error{
		"GET " + project + "/users":              s.listUsers,
		"GET " + project + "/users/{id}":         s.getUser,
		"PUT " + project + "/users/{id}":         s.putUser,
		"DELETE " + project + "/users/{id}":      s.deleteUser,
		"GET " + project + "/user-keys":          s.listUserKeys,
		"PUT " + project + "/user-keys/{kid}":    s.putUserKey,
		"DELETE " + project + "/user-keys/{kid}": s.deleteUserKey,
		"GET " + project + "/connects/{id}":      s.connecting,

		"GET " + project + "/users/{id}/workflows":        s.listUserWorkflows,
		"PUT " + project + "/users/{id}/workflows/{name}": s.putUserWorkflow,
	}
	for _, of := range []string{project, project + "/users/{id}"} {
		routes["GET "+of+"/credentials"] = s.listCredentials
		routes["PUT "+of+"/credentials/{integration}/{account}"] = s.putCredential
		routes["DELETE "+of+"/credentials/{integration}/{account}"] = s.deleteCredential
		routes["POST "+of+"/credentials/{integration}/{account}/connect"] = s.connect
	}
	return routes
}

// listUsers answers with pages of two.
func (s *Server) listUsers(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	page := api.List[api.User]{Items: []api.User{}}
	for _, u := range s.product.users {
		if u.ID <= r.URL.Query().Get("cursor") {
			continue
		}
		if len(page.Items) == 2 {
			page.NextCursor = page.Items[1].ID
			break
		}
		page.Items = append(page.Items, u)
	}
	return answer(w, http.StatusOK, page)
}

// userAt is where a user is; the caller holds the lock.
func (s *Server) userAt(id string) (int, error) {
	at := slices.IndexFunc(s.product.users, func(u api.User) bool { return u.ID == id })
	if at < 0 {
		return 0, problem(404, schema.ProblemNotFound, "there is no user %s in project default", id)
	}
	return at, nil
}

func (s *Server) getUser(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, err := s.userAt(r.PathValue("id"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, s.product.users[at])
}

func (s *Server) putUser(w http.ResponseWriter, r *http.Request) error {
	var req api.PutUserRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at, err := s.userAt(r.PathValue("id"))
	status := http.StatusOK
	if err != nil {
		s.product.users = append(s.product.users, api.User{ID: r.PathValue("id"), CreatedAt: Now, UpdatedAt: Now})
		slices.SortFunc(s.product.users, func(a, b api.User) int { return strings.Compare(a.ID, b.ID) })
		at, _ = s.userAt(r.PathValue("id"))
		status = http.StatusCreated
	}
	u := &s.product.users[at]
	if req.Meta != nil {
		u.Meta = req.Meta
	}
	if req.Disabled != nil {
		u.Disabled = *req.Disabled
	}
	return answer(w, status, *u)
}

func (s *Server) deleteUser(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, err := s.userAt(r.PathValue("id"))
	if err != nil {
		return err
	}
	s.product.users = slices.Delete(s.product.users, at, at+1)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) listUserKeys(w http.ResponseWriter, _ *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return answer(w, http.StatusOK, api.List[api.UserKey]{Items: s.product.keys})
}

func (s *Server) putUserKey(w http.ResponseWriter, r *http.Request) error {
	var req api.PutUserKeyRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return err
	}
	if !strings.Contains(req.PublicKey, "BEGIN PUBLIC KEY") {
		return problem(422, schema.ProblemInvalid, "publicKey: it is not PEM")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := api.UserKey{ID: r.PathValue("kid"), Algorithm: "ES256", PublicKey: req.PublicKey, CreatedAt: Now, CreatedBy: "ada"}
	s.product.keys = append(s.product.keys, k)
	return answer(w, http.StatusOK, k)
}

func (s *Server) deleteUserKey(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.product.keys, func(k api.UserKey) bool { return k.ID == r.PathValue("kid") })
	if at < 0 {
		return problem(404, schema.ProblemNotFound, "there is no key %s", r.PathValue("kid"))
	}
	s.product.keys = slices.Delete(s.product.keys, at, at+1)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) listCredentials(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := api.List[api.Credential]{Items: []api.Credential{}}
	for _, c := range s.product.credentials {
		if c.User == r.PathValue("id") {
			list.Items = append(list.Items, c)
		}
	}
	return answer(w, http.StatusOK, list)
}

// putCredential takes a credential whose secret part is as the scripts have it.
func (s *Server) putCredential(w http.ResponseWriter, r *http.Request) error {
	var req api.PutCredentialRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return err
	}
	c := api.Credential{User: r.PathValue("id"), Integration: r.PathValue("integration"), Account: r.PathValue("account"), Settings: req.Settings,
		Status: "valid", UpdatedAt: Now, UpdatedBy: "ada"}
	held := ""
	switch {
	case req.Basic != nil:
		c.Kind, held = "basic", req.Basic.Username+":"+req.Basic.Password
	case req.Bearer != nil:
		c.Kind, held = "bearer", req.Bearer.Token
	case req.APIKey != nil:
		c.Kind, held = "apiKey", req.APIKey.Key
	case req.Client != nil:
		c.Kind, held = "client", req.Client.ID+":"+req.Client.Secret
	case req.OAuth2 != nil:
		c.Kind, held = "oauth2", req.OAuth2.AccessToken
	}
	if strings.TrimPrefix(held, "ada:") != "s3cret" {
		return problem(422, schema.ProblemInvalid, "this is not what the script has")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.product.credentials = append(s.product.credentials, c)
	return answer(w, http.StatusOK, c)
}

func (s *Server) deleteCredential(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.product.credentials, func(c api.Credential) bool {
		return c.User == r.PathValue("id") && c.Integration == r.PathValue("integration") && c.Account == r.PathValue("account")
	})
	if at < 0 {
		return problem(404, schema.ProblemNotFound, "there is no credential for %s (account %s)", r.PathValue("integration"), r.PathValue("account"))
	}
	s.product.credentials = slices.Delete(s.product.credentials, at, at+1)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) connect(w http.ResponseWriter, r *http.Request) error {
	return answer(w, http.StatusCreated, api.Connecting{ID: r.PathValue("account"), Status: api.ConnectPending, ExpiresAt: Now,
		URL: "http://paragon.test/oauth/default/" + r.PathValue("integration") + "/start?ticket=t1"})
}

// connecting is connected at the second question; account denied is denied, and
// account never is pending for ever.
func (s *Server) connecting(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.product.asked++
	now := api.Connecting{ID: r.PathValue("id"), Status: api.ConnectPending, ExpiresAt: Now}
	switch {
	case now.ID == "denied":
		now.Status, now.Error = api.ConnectFailed, "the server answered: access_denied"
	case now.ID != "never" && s.product.asked > 1:
		now.Status = api.ConnectDone
	}
	return answer(w, http.StatusOK, now)
}
