package httpapi

import (
	"net/http"

	"paragon/engine/config"
	"paragon/schema"
	"paragon/schema/api"
)

// accessRoutes are the routes about people: who they are, and where they are
// members.
func (s *Server) accessRoutes() []route {
	session := []answer{{status: http.StatusOK, doc: "The token is shown this once", body: typeOf[api.Session]()}}
	return []route{
		{method: "GET", path: "/v1/whoami", access: anyKey, id: "whoami", tag: "access", summary: "Whose key or login this is",
			answers: []answer{{status: http.StatusOK, body: typeOf[api.Identity]()}}, serve: s.whoami},
		{method: "POST", path: "/v1/auth/login", access: public, id: "login", tag: "access", summary: "Log in by password",
			body: typeOf[api.LoginRequest](), answers: session, serve: s.login},
		{method: "POST", path: "/v1/auth/device", access: public, id: "startDevice", tag: "access", summary: "Begin a login at the OpenID provider, by the device flow (RFC 8628)",
			answers: []answer{{status: http.StatusOK, body: typeOf[api.DeviceLogin]()}}, serve: s.startDevice},
		{method: "POST", path: "/v1/auth/device/token", access: public, id: "claimDevice", tag: "access", summary: "Ask how a device login stands",
			body: typeOf[api.DeviceRequest](), answers: []answer{{status: http.StatusOK, doc: "Pending, or done with the session", body: typeOf[api.DeviceAnswer]()}}, serve: s.claimDevice},
		{method: "POST", path: "/v1/auth/accept", access: public, id: "acceptInvitation", tag: "access", summary: "Become a member by an invitation, and log in",
			body: typeOf[api.AcceptRequest](), answers: session, serve: s.accept},
		{method: "POST", path: "/v1/auth/logout", access: anyKey, id: "logout", tag: "access", summary: "End the login of the request's token",
			answers: []answer{{status: http.StatusNoContent}}, serve: s.logout},

		{method: "GET", path: "/v1/projects", access: anyKey, id: "listProjects", tag: "access", summary: "List the projects that the caller has a role in",
			answers: []answer{{status: http.StatusOK, body: typeOf[api.List[api.Project]]()}}, serve: s.listProjects},
		{method: "POST", path: "/v1/projects", access: installation, action: config.ActionCreateProject, id: "createProject", tag: "access",
			summary: "Create a project; the role counts in the default project", body: typeOf[api.CreateProjectRequest](),
			answers: []answer{{status: http.StatusCreated, body: typeOf[api.CreatedProject]()}}, serve: s.createProject},
		{method: "GET", path: pathProject + "/settings", access: member, action: config.ActionReadConfig, id: "getSettings", tag: "access",
			summary: "Show the project's settings", answers: []answer{{status: http.StatusOK, body: typeOf[schema.ProjectSettings]()}}, serve: s.settings},
		{method: "PUT", path: pathProject + "/settings", access: installation, action: config.ActionCreateProject, id: "putSettings", tag: "access",
			summary: "Set the project's settings; the role counts in the default project", body: typeOf[schema.ProjectSettings](),
			answers: []answer{{status: http.StatusOK, body: typeOf[schema.ProjectSettings]()}}, serve: s.putSettings},

		{method: "POST", path: pathProject + "/secrets/export", access: member, action: config.ActionExportSecrets, id: "exportSecrets", tag: "access",
			summary: "Have the values of all secrets, each encrypted for an age recipient", body: typeOf[api.ExportSecretsRequest](),
			answers: []answer{{status: http.StatusOK, body: typeOf[api.List[api.ExportedSecret]]()}}, serve: s.exportSecrets},

		{method: "GET", path: pathProject + "/members", access: member, action: config.ActionReadMembers, id: "listMembers", tag: "access",
			summary: "List members, then who is invited", answers: []answer{{status: http.StatusOK, body: typeOf[api.List[api.Member]]()}}, serve: s.listMembers},
		{method: "POST", path: pathProject + "/members", access: member, action: config.ActionWriteMembers, id: "invite", tag: "access",
			summary: "Invite somebody; the invitation's token is shown this once", body: typeOf[api.InviteRequest](),
			answers: []answer{{status: http.StatusCreated, body: typeOf[api.Invitation]()}}, serve: s.invite},
		{method: "PUT", path: pathProject + "/members/{email}", access: member, action: config.ActionWriteMembers, id: "setRole", tag: "access",
			summary: "Give a member another role", body: typeOf[api.SetRoleRequest](),
			answers: []answer{{status: http.StatusOK, body: typeOf[api.Member]()}}, serve: s.setRole},
		{method: "DELETE", path: pathProject + "/members/{email}", access: member, action: config.ActionWriteMembers, id: "removeMember", tag: "access",
			summary: "End a membership, or take an invitation back", answers: []answer{{status: http.StatusNoContent}}, serve: s.removeMember},
	}
}
