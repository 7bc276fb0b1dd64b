package fakeserver

import (
	"encoding/hex"
	"encoding/json"
	"net/http"

	"paragon/schema"
	"paragon/schema/api"
	"paragon/schema/chain"
)

// listAudit answers with a chain of three records; project "forged" has the
// second one changed.
func (s *Server) listAudit(w http.ResponseWriter, r *http.Request) error {
	project := r.PathValue("project")
	page := api.List[api.AuditRecord]{}
	var prev []byte
	for i, action := range []string{"create", "update", "delete"} {
		rec := chain.Record{Seq: int64(i + 1), Project: project, At: Now, Actor: "ada", Action: action, Object: "workflow/w", Outcome: "done", Detail: []byte("{}")}
		prev = chain.Hash(prev, rec)
		if project == "forged" && i == 1 {
			rec.Actor = "bob"
		}
		page.Items = append(page.Items, api.AuditRecord{ID: rec.Seq, At: rec.At, Actor: rec.Actor, Action: rec.Action, Object: rec.Object,
			Outcome: rec.Outcome, Detail: rec.Detail, Project: project, Seq: rec.Seq, Hash: hex.EncodeToString(prev)})
	}
	return json.NewEncoder(w).Encode(page)
}

func (s *Server) listProjects(w http.ResponseWriter, _ *http.Request) error {
	return json.NewEncoder(w).Encode(api.List[api.Project]{Items: []api.Project{{Name: schema.DefaultProject, Role: "owner"}, {Name: "shop", Role: "viewer"}}})
}

func (s *Server) listMembers(w http.ResponseWriter, _ *http.Request) error {
	return json.NewEncoder(w).Encode(api.List[api.Member]{Items: []api.Member{
		{Email: "ada@example.org", Name: "Ada", Role: "owner", Status: api.MemberActive, AddedAt: Now}}})
}

func (s *Server) invite(w http.ResponseWriter, r *http.Request) error {
	var req api.InviteRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return err
	}
	w.WriteHeader(http.StatusCreated)
	return json.NewEncoder(w).Encode(api.Invitation{Email: req.Email, Role: req.Role, ExpiresAt: Now, Token: "pgi_new"})
}

func (s *Server) setRole(w http.ResponseWriter, r *http.Request) error {
	var req api.SetRoleRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(api.Member{Email: r.PathValue("email"), Role: req.Role, Status: api.MemberActive, AddedAt: Now})
}

func (s *Server) removeMember(w http.ResponseWriter, _ *http.Request) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	var req api.LoginRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return err
	}
	if req.Password != "correct horse" {
		return problem(http.StatusUnauthorized, schema.ProblemUnauthenticated, "the email or the password is wrong")
	}
	return json.NewEncoder(w).Encode(api.Session{Token: "pgs_ada", ExpiresAt: Now, Email: req.Email, Name: "Ada"})
}

func (s *Server) logout(w http.ResponseWriter, _ *http.Request) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) startDevice(w http.ResponseWriter, _ *http.Request) error {
	return json.NewEncoder(w).Encode(api.DeviceLogin{DeviceCode: "d1", UserCode: "BCDF-GHJK", VerificationURI: "https://id.example.org/device", ExpiresAt: Now, Interval: 1})
}

func (s *Server) claimDevice(w http.ResponseWriter, r *http.Request) error {
	return json.NewEncoder(w).Encode(api.DeviceAnswer{Status: api.DeviceDone, Session: &api.Session{Token: "pgs_ada", ExpiresAt: Now, Email: "ada@example.org", Name: "Ada"}})
}

func (s *Server) accept(w http.ResponseWriter, r *http.Request) error {
	var req api.AcceptRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return err
	}
	if req.Token != "pgi_new" {
		return problem(http.StatusNotFound, schema.ProblemNotFound, "there is no such invitation")
	}
	return json.NewEncoder(w).Encode(api.Session{Token: "pgs_ada", ExpiresAt: Now, Email: "ada@example.org", Name: req.Name})
}

func (s *Server) createProject(w http.ResponseWriter, r *http.Request) error {
	var req api.CreateProjectRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return err
	}
	w.WriteHeader(http.StatusCreated)
	return json.NewEncoder(w).Encode(api.CreatedProject{Project: api.Project{Name: req.Name, Role: "owner"}, Token: "pgn_first"})
}

func (s *Server) rotateKey(w http.ResponseWriter, r *http.Request) error {
	var req api.RotateKeyRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return err
	}
	if req.OverlapSeconds != 3600 {
		return problem(http.StatusBadRequest, schema.ProblemInvalid, "the test wants an hour")
	}
	w.WriteHeader(http.StatusCreated)
	return json.NewEncoder(w).Encode(api.CreatedKey{Key: api.Key{ID: "k9", Name: "ada", Role: "owner", CreatedAt: Now}, Token: "pgn_rotated"})
}

func (s *Server) settings(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, schema.ProjectSettings{Weight: schema.DefaultWeight})
}
