package httpapi

import (
	"net/http"
	"time"

	"paragon/engine/config"
	"paragon/schema"
	"paragon/schema/api"
)

func (s *Server) whoami(w http.ResponseWriter, r *request) error {
	if key := r.caller.key; key != nil {
		id := api.Identity{Name: key.Name, Role: key.Role, Project: key.Project, Expires: key.ExpiresAt}
		for _, a := range config.ParseScope(key.Scope) {
			id.Scope = append(id.Scope, string(a))
		}
		return writeJSON(w, http.StatusOK, id)
	}
	login := r.caller.login
	id := api.Identity{Name: login.Person.Email, Expires: login.ExpiresAt, Person: true, Projects: config.Projects(login.Roles)}
	if len(id.Projects) == 1 {
		id.Project, id.Role = id.Projects[0].Name, id.Projects[0].Role
	}
	return writeJSON(w, http.StatusOK, id)
}

func (s *Server) login(w http.ResponseWriter, r *request) error {
	var req api.LoginRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	if req.Email == "" || req.Password == "" {
		return badRequest("a login needs email and password")
	}
	session, err := s.opts.Config.Login(r.Context(), remoteHost(r.Request), req.Email, req.Password)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, session)
}

func (s *Server) startDevice(w http.ResponseWriter, r *request) error {
	login, err := s.opts.Config.StartDevice(r.Context(), remoteHost(r.Request))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, login)
}

func (s *Server) claimDevice(w http.ResponseWriter, r *request) error {
	var req api.DeviceRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	if req.DeviceCode == "" {
		return badField("deviceCode", "deviceCode is missing: POST /v1/auth/device gives one")
	}
	answer, err := s.opts.Config.ClaimDevice(r.Context(), remoteHost(r.Request), req.DeviceCode)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, answer)
}

func (s *Server) accept(w http.ResponseWriter, r *request) error {
	var req api.AcceptRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	session, err := s.opts.Config.AcceptInvitation(r.Context(), remoteHost(r.Request), req)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, session)
}

func (s *Server) logout(w http.ResponseWriter, r *request) error {
	if r.caller.login == nil {
		return badRequest("this is an API key, which has no login to end: delete the key")
	}
	if err := s.opts.Config.Logout(r.Context(), r.actor, r.caller.token); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) listProjects(w http.ResponseWriter, r *request) error {
	return writeJSON(w, http.StatusOK, api.List[api.Project]{Items: config.Projects(r.caller.roles())})
}

func (s *Server) createProject(w http.ResponseWriter, r *request) error {
	var req api.CreateProjectRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	made, err := s.opts.Config.CreateProject(r.Context(), r.actor, req.Name)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, made)
}

func (s *Server) listMembers(w http.ResponseWriter, r *request) error {
	members, err := s.opts.Config.Members(r.Context(), r.project)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, api.List[api.Member]{Items: members})
}

func (s *Server) invite(w http.ResponseWriter, r *request) error {
	var req api.InviteRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	made, err := s.opts.Config.Invite(r.Context(), r.actor, r.project, req)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, made)
}

func (s *Server) setRole(w http.ResponseWriter, r *request) error {
	var req api.SetRoleRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	m, err := s.opts.Config.SetRole(r.Context(), r.actor, r.project, r.PathValue("email"), req.Role)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, m)
}

func (s *Server) removeMember(w http.ResponseWriter, r *request) error {
	if err := s.opts.Config.RemoveMember(r.Context(), r.actor, r.project, r.PathValue("email")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) rotateKey(w http.ResponseWriter, r *request) error {
	var req api.RotateKeyRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	if req.OverlapSeconds < 0 || req.OverlapSeconds > 30*24*3600 {
		return badField("overlapSeconds", "overlapSeconds must be from 0 to 2592000, thirty days")
	}
	key, err := s.opts.Config.RotateKey(r.Context(), r.actor, r.project, r.PathValue("id"), time.Duration(req.OverlapSeconds)*time.Second)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, key)
}

func (s *Server) settings(w http.ResponseWriter, r *request) error {
	settings, err := s.opts.Config.Settings(r.Context(), r.project)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, settings)
}

func (s *Server) putSettings(w http.ResponseWriter, r *request) error {
	var settings schema.ProjectSettings
	if _, err := decodeBody(r.Request, &settings); err != nil {
		return err
	}
	settings, err := s.opts.Config.SetSettings(r.Context(), r.actor, r.project, settings)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, settings)
}

func (s *Server) exportSecrets(w http.ResponseWriter, r *request) error {
	var req api.ExportSecretsRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	found, err := s.opts.Config.ExportSecrets(r.Context(), r.actor, r.project, req.Recipient)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, api.List[api.ExportedSecret]{Items: found})
}
