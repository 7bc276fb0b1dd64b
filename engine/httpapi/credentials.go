package httpapi

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"paragon/engine/config"
	"paragon/engine/connect/users"
	"paragon/schema/api"
)

// credentialRoutes are the routes of credentials, of users and of the project,
// and of consent in a browser.
func (s *Server) credentialRoutes() []route {
	if s.opts.Users == nil {
		return nil
	}
	one := []answer{{status: http.StatusOK, body: typeOf[api.Credential]()}}
	list := []answer{{status: http.StatusOK, body: typeOf[api.List[api.Credential]]()}}
	none := []answer{{status: http.StatusNoContent}}
	begun := []answer{{status: http.StatusCreated, doc: "The url is for the browser of who consents, once", body: typeOf[api.Connecting]()}}
	const below = "/credentials/{integration}/{account}"
	ofUser, shared := pathProject+"/users/{id}", pathProject
	return []route{
		{method: "GET", path: ofUser + "/credentials", access: connected, action: config.ActionReadUsers, id: "listCredentials", tag: "users",
			summary: "List a user's credentials, without what they hold", answers: list, serve: s.listCredentials},
		{method: "PUT", path: ofUser + below, access: connected, action: config.ActionWriteUsers, id: "putCredential", tag: "users",
			summary: "Set a user's credential; it can't be read back", body: typeOf[api.PutCredentialRequest](), answers: one, serve: s.putCredential},
		{method: "DELETE", path: ofUser + below, access: connected, action: config.ActionWriteUsers, id: "deleteCredential", tag: "users",
			summary: "Remove a user's credential, and revoke its tokens where the API can", answers: none, serve: s.deleteCredential},
		{method: "POST", path: ofUser + below + "/connect", access: connected, action: config.ActionWriteUsers, id: "connect", tag: "users",
			summary: "Begin an authorization in which the user consents (OAuth2)", body: typeOf[api.ConnectRequest](), optional: true, answers: begun, serve: s.connect},

		{method: "GET", path: shared + "/credentials", access: member, action: config.ActionReadConfig, id: "listSharedCredentials", tag: "users",
			summary: "List the project's own credentials", answers: list, serve: s.listCredentials},
		{method: "GET", path: shared + "/credentials/invalid", access: member, action: config.ActionReadUsers, id: "listInvalidCredentials", tag: "users",
			summary: "List the credentials, of users and of the project, that must be connected again", answers: list, serve: s.listInvalidCredentials},
		{method: "PUT", path: shared + below, access: member, action: config.ActionWriteConfig, id: "putSharedCredential", tag: "users",
			summary: "Set a credential of the project's own; it can't be read back", body: typeOf[api.PutCredentialRequest](), answers: one, serve: s.putCredential},
		{method: "DELETE", path: shared + below, access: member, action: config.ActionWriteConfig, id: "deleteSharedCredential", tag: "users",
			summary: "Remove a credential of the project's own", answers: none, serve: s.deleteCredential},
		{method: "POST", path: shared + below + "/connect", access: member, action: config.ActionWriteConfig, id: "connectShared", tag: "users",
			summary: "Begin an authorization for the project itself", body: typeOf[api.ConnectRequest](), optional: true, answers: begun, serve: s.connect},
		{method: "GET", path: shared + "/connects/{id}", access: connected, action: config.ActionReadUsers, id: "getConnect", tag: "users",
			summary: "Tell how an authorization stands", answers: []answer{{status: http.StatusOK, body: typeOf[api.Connecting]()}}, serve: s.connecting},

		{method: "GET", path: "/oauth/{project}/{integration}/start", access: public, id: "startOAuth", tag: "users",
			summary: "Send the browser to where its user consents; the link of connect", params: []param{{"query", "ticket", "That of the link", "string"}},
			answers: []answer{{status: http.StatusFound}}, serve: s.startOAuth},
		{method: "GET", path: "/oauth/callback", access: public, id: "oauthCallback", tag: "users",
			summary: "Where the authorization server sends the browser back to",
			answers: []answer{{status: http.StatusOK, media: "text/html"}, {status: http.StatusFound}}, serve: s.oauthCallback},
	}
}

// place is the credential that the path names; without a user it is the
// project's own.
func (r *request) place() users.Place {
	return users.Place{Project: r.project, User: r.PathValue("id"), Integration: r.PathValue("integration"), Account: r.PathValue("account")}
}

func (s *Server) listCredentials(w http.ResponseWriter, r *request) error {
	user := r.PathValue("id")
	if err := r.own(user); err != nil {
		return err
	}
	list, err := s.opts.Users.Credentials(r.Context(), r.project, user)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, api.List[api.Credential]{Items: list})
}

func (s *Server) listInvalidCredentials(w http.ResponseWriter, r *request) error {
	list, err := s.opts.Users.InvalidCredentials(r.Context(), r.project)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, api.List[api.Credential]{Items: list})
}

func (s *Server) putCredential(w http.ResponseWriter, r *request) error {
	p := r.place()
	if err := r.own(p.User); err != nil {
		return err
	}
	var req api.PutCredentialRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	c, err := s.opts.Users.PutCredential(r.Context(), r.author(), p, req)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, c)
}

func (s *Server) deleteCredential(w http.ResponseWriter, r *request) error {
	p := r.place()
	if err := r.own(p.User); err != nil {
		return err
	}
	if err := s.opts.Users.DeleteCredential(r.Context(), r.author(), p); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) connect(w http.ResponseWriter, r *request) error {
	p := r.place()
	if err := r.own(p.User); err != nil {
		return err
	}
	var req api.ConnectRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	begun, err := s.opts.Users.Connect(r.Context(), r.author(), p, req)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, begun)
}

func (s *Server) connecting(w http.ResponseWriter, r *request) error {
	user := ""
	if r.caller.user != nil {
		user = r.caller.user.ID
	}
	now, err := s.opts.Users.Connecting(r.Context(), r.project, user, r.PathValue("id"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, now)
}

// flowCookie binds an authorization to the browser in which it began.
const flowCookie = "paragon_oauth"

// private keeps what an authorization brings out of caches and out of the
// Referer of what comes after it.
func private(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
}

func (s *Server) startOAuth(w http.ResponseWriter, r *request) error {
	private(w)
	to, cookie, err := s.opts.Users.StartFlow(r.Context(), r.project, r.PathValue("integration"), r.URL.Query().Get("ticket"))
	if err != nil {
		return err
	}
	http.SetCookie(w, s.cookieOfFlow(cookie, 10*time.Minute))
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusFound)
	return nil
}

// cookieOfFlow comes back from another site's redirect, and is no script's.
func (s *Server) cookieOfFlow(value string, life time.Duration) *http.Cookie {
	return &http.Cookie{Name: flowCookie, Value: value, Path: "/oauth/", MaxAge: int(life.Seconds()), HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(s.opts.Users.PublicURL(), "https://")}
}

func (s *Server) oauthCallback(w http.ResponseWriter, r *request) error {
	private(w)
	q := r.URL.Query()
	cookie := ""
	if c, err := r.Cookie(flowCookie); err == nil {
		cookie = c.Value
	}
	refusal := strings.TrimSpace(q.Get("error") + " " + q.Get("error_description"))
	out, err := s.opts.Users.FinishFlow(r.Context(), q.Get("state"), q.Get("code"), refusal, cookie)
	if err != nil {
		return err
	}
	http.SetCookie(w, s.cookieOfFlow("", -time.Second))
	status := api.ConnectDone
	if out.Err != nil {
		status = api.ConnectFailed
	}
	if out.ReturnTo != "" {
		to, err := url.Parse(out.ReturnTo)
		if err != nil {
			return err
		}
		back := to.Query()
		back.Set("status", status)
		back.Set("integration", out.Integration)
		to.RawQuery = back.Encode()
		w.Header().Set("Location", to.String())
		w.WriteHeader(http.StatusFound)
		return nil
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	if out.Err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
	}
	return outcomePage.Execute(w, map[string]any{"Failed": out.Err != nil, "Integration": out.Integration, "Why": users.PublicText(out.Err)})
}

// outcomePage is what a person sees when the product has no page of its own.
var outcomePage = template.Must(template.New("outcome").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Integration}}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:32em;margin:20vh auto;padding:0 1em}</style>
{{if .Failed}}<h1>{{.Integration}} is not connected</h1><p>{{.Why}}</p><p>Go back and try again.</p>
{{else}}<h1>{{.Integration}} is connected</h1><p>You can close this window.</p>{{end}}
</html>
`))
