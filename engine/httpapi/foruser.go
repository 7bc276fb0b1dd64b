package httpapi

import (
	"paragon/schema/api"
)

// namedUser is the user whom a request is for, by its token, its header or its
// body; empty for none.
func namedUser(r *request, body string) (string, error) {
	named := r.Header.Get(api.HeaderUser)
	if r.user != nil {
		named = r.user.ID
	}
	if named != "" && body != "" && named != body {
		return "", badField("user", "the body's user differs from the %s header or the token's user", api.HeaderUser)
	}
	return nameOr(named, body), nil
}

// mayStart refuses a user who starts a workflow that does not run for users.
func (s *Server) mayStart(r *request, workflow string) error {
	if r.caller.user == nil {
		return nil
	}
	if p := s.opts.Cache.Project(r.project); p != nil {
		if wf := p.Workflow(workflow); wf != nil && wf.Users != nil {
			return nil
		}
	}
	return notFound("there is no workflow %q for users in project %s", workflow, r.project)
}
