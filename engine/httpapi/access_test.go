package httpapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"paragon/schema/api"
	"paragon/schema/chain"
)

const password = "correct horse battery"

// join invites somebody to the default project and accepts; their token is
// under the email from then on.
func (r *rig) join(email, role string) {
	r.t.Helper()
	var inv api.Invitation
	want(r.t, r.do("owner", "POST", base+"/members", `{"email":`+quote(email)+`,"role":`+quote(role)+`}`), 201, &inv)
	var s api.Session
	want(r.t, r.do("", "POST", "/v1/auth/accept", `{"token":`+quote(inv.Token)+`,"name":"N","password":`+quote(password)+`}`), 200, &s)
	r.tokens[email] = s.Token
}

func TestPeople(t *testing.T) {
	r := newRig(t)
	var inv api.Invitation
	rec := r.do("admin", "POST", base+"/members", `{"email":" Ada@Example.org ","role":"developer"}`)
	want(t, rec, 201, &inv)
	if inv.Email != "ada@example.org" || !strings.HasPrefix(inv.Token, "pgi_") {
		t.Errorf("%+v", inv)
	}
	accept := func(token, password string) string {
		b, _ := json.Marshal(api.AcceptRequest{Token: token, Name: "Ada", Password: password})
		return string(b)
	}
	wantProblem(t, r.do("", "POST", "/v1/auth/accept", accept(inv.Token, "short")), 422, "at least 12")
	wantProblem(t, r.do("", "POST", "/v1/auth/accept", accept("pgi_no", password)), 404, "no such invitation")
	var s api.Session
	want(t, r.do("", "POST", "/v1/auth/accept", accept(inv.Token, password)), 200, &s)
	wantProblem(t, r.do("", "POST", "/v1/auth/accept", accept(inv.Token, password)), 404, "no such invitation")
	r.tokens["ada"] = s.Token
	var who api.Identity
	want(t, r.do("ada", "GET", "/v1/whoami", ""), 200, &who)
	if !who.Person || who.Name != "ada@example.org" || who.Project != "default" || who.Role != "developer" {
		t.Errorf("%+v", who)
	}
	want(t, r.do("ada", "PUT", base+"/workflows/one", workflow("one")), 201, nil)
	wantProblem(t, r.do("ada", "GET", base+"/audit", ""), 403, "developer")
	// A project of which she is no member is like one that does not exist.
	there := wantProblem(t, r.do("ada", "GET", "/v1/projects/elsewhere/runs", ""), 404, "")
	nowhere := wantProblem(t, r.do("ada", "GET", "/v1/projects/nowhere/runs", ""), 404, "")
	if strings.ReplaceAll(there.Detail, "elsewhere", "nowhere") != nowhere.Detail || there.Type != nowhere.Type || there.Title != nowhere.Title {
		t.Errorf("%+v and %+v differ", there, nowhere)
	}

	want(t, r.do("", "POST", "/v1/auth/login", `{"email":"ADA@example.org","password":`+quote(password)+`}`), 200, &s)
	r.tokens["again"] = s.Token
	want(t, r.do("again", "POST", "/v1/auth/logout", ""), 204, nil)
	wantProblem(t, r.do("again", "GET", "/v1/whoami", ""), 401, "log in again")
	want(t, r.do("ada", "GET", "/v1/whoami", ""), 200, nil)

	// A changed role counts at once.
	want(t, r.do("admin", "PUT", base+"/members/ada@example.org", `{"role":"viewer"}`), 200, nil)
	wantProblem(t, r.do("ada", "PUT", base+"/workflows/one", workflow("one")), 403, "viewer")
	wantProblem(t, r.do("admin", "PUT", base+"/members/ada@example.org", `{"role":"owner"}`), 403, "can't hand out")
	wantProblem(t, r.do("admin", "PUT", base+"/members/bob@example.org", `{"role":"viewer"}`), 404, "not a member")
	var members api.List[api.Member]
	want(t, r.do("developer", "GET", base+"/members", ""), 200, &members)
	if len(members.Items) != 1 || members.Items[0].Role != "viewer" || members.Items[0].Name != "Ada" {
		t.Errorf("%+v", members)
	}
	want(t, r.do("admin", "DELETE", base+"/members/ada@example.org", ""), 204, nil)
	wantProblem(t, r.do("ada", "GET", base+"/runs", ""), 404, "")

	r.now = r.now.Add(13 * time.Hour)
	wantProblem(t, r.do("ada", "GET", "/v1/whoami", ""), 401, "log in again")

	// Neither tokens nor the password are kept, or shown again.
	all := r.log.String() + r.do("owner", "GET", base+"/audit?limit=1000", "").Body.String() + r.do("owner", "GET", base+"/members", "").Body.String()
	for _, secret := range []string{password, s.Token, inv.Token, "argon2"} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is shown", secret)
		}
	}
}

func TestInvitationOfSomebodyKnown(t *testing.T) {
	r := newRig(t)
	r.join("ada@example.org", "viewer")
	var inv api.Invitation
	want(t, r.do("other", "POST", "/v1/projects/elsewhere/members", `{"email":"ada@example.org","role":"admin"}`), 201, &inv)
	wantProblem(t, r.do("", "POST", "/v1/auth/accept", `{"token":`+quote(inv.Token)+`,"password":"somebody else's"}`), 401, "wrong")
	want(t, r.do("", "POST", "/v1/auth/accept", `{"token":`+quote(inv.Token)+`,"password":`+quote(password)+`}`), 200, nil)
	var projects api.List[api.Project]
	want(t, r.do("ada@example.org", "GET", "/v1/projects", ""), 200, &projects)
	if len(projects.Items) != 2 || projects.Items[1] != (api.Project{Name: "elsewhere", Role: "admin"}) {
		t.Errorf("%+v", projects)
	}
	want(t, r.do("other", "POST", "/v1/projects/elsewhere/members", `{"email":"late@example.org","role":"admin"}`), 201, &inv)
	r.now = r.now.Add(8 * 24 * time.Hour)
	wantProblem(t, r.do("", "POST", "/v1/auth/accept", `{"token":`+quote(inv.Token)+`,"password":`+quote(password)+`}`), 404, "seven days")
	want(t, r.do("other", "DELETE", "/v1/projects/elsewhere/members/late@example.org", ""), 204, nil)
}

func TestLoginIsLimited(t *testing.T) {
	r := newRig(t)
	r.join("ada@example.org", "viewer")
	body := `{"email":"ada@example.org","password":"not the right one"}`
	first := wantProblem(t, r.do("", "POST", "/v1/auth/login", body), 401, "wrong")
	unknown := wantProblem(t, r.do("", "POST", "/v1/auth/login", `{"email":"bob@example.org","password":"x"}`), 401, "wrong")
	if first.Detail != unknown.Detail {
		t.Errorf("%q tells from %q who has an account", first.Detail, unknown.Detail)
	}
	for range 9 {
		wantProblem(t, r.do("", "POST", "/v1/auth/login", body), 401, "wrong")
	}
	rec := r.do("", "POST", "/v1/auth/login", `{"email":"ada@example.org","password":`+quote(password)+`}`)
	wantProblem(t, rec, 429, "too many")
	if rec.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	r.mini.FastForward(16 * time.Minute)
	want(t, r.do("", "POST", "/v1/auth/login", `{"email":"ada@example.org","password":`+quote(password)+`}`), 200, nil)
	r.mini.Close() // what can't be counted is refused
	wantProblem(t, r.do("", "POST", "/v1/auth/login", body), 503, "counted")
}

// Who tries one password with many names is stopped by the address, also where
// each name is tried once, and whatever the name is.
func TestLoginIsLimitedByAddress(t *testing.T) {
	r := newRig(t)
	r.join("ada@example.org", "viewer")
	tries := 0
	for ; tries < 100; tries++ {
		rec := r.do("", "POST", "/v1/auth/login", fmt.Sprintf(`{"email":"user%d@example.org","password":"Summer2026!"}`, tries))
		if rec.Code != 401 {
			wantProblem(t, rec, 429, "too many")
			break
		}
	}
	if tries < 45 || tries > 50 { // joining has counted, too
		t.Errorf("an address has %d tries", tries)
	}
	login := `{"email":"ada@example.org","password":` + quote(password) + `}`
	wantProblem(t, r.do("", "POST", "/v1/auth/login", login), 429, "too many")
	r.mini.FastForward(16 * time.Minute)
	want(t, r.do("", "POST", "/v1/auth/login", login), 200, nil)
}

func TestLastOwner(t *testing.T) {
	r := newRig(t)
	r.join("ada@example.org", "owner")
	// The owner key goes, since a member is an owner; then she has to stay.
	var keys api.List[api.Key]
	want(t, r.do("ada@example.org", "GET", base+"/keys", ""), 200, &keys)
	for _, k := range keys.Items {
		if k.Role == "owner" {
			want(t, r.do("ada@example.org", "DELETE", base+"/keys/"+k.ID, ""), 204, nil)
		}
	}
	wantProblem(t, r.do("ada@example.org", "DELETE", base+"/members/ada@example.org", ""), 409, "last owner")
	wantProblem(t, r.do("ada@example.org", "PUT", base+"/members/ada@example.org", `{"role":"viewer"}`), 409, "last owner")
	wantProblem(t, r.do("admin", "DELETE", base+"/members/ada@example.org", ""), 403, "can't change")
}

func TestProjects(t *testing.T) {
	r := newRig(t)
	r.join("ada@example.org", "owner")
	var made api.CreatedProject
	want(t, r.do("ada@example.org", "POST", "/v1/projects", `{"name":"hers"}`), 201, &made)
	if made.Token != "" || made.Role != "owner" {
		t.Errorf("%+v", made)
	}
	want(t, r.do("ada@example.org", "GET", "/v1/projects/hers/members", ""), 200, nil)
	wantProblem(t, r.do("owner", "GET", "/v1/projects/hers/members", ""), 404, "")
	want(t, r.do("owner", "POST", "/v1/projects", `{"name":"keys"}`), 201, &made)
	r.tokens["new"] = made.Token
	r.apply(workflow("any")) // a change, to know that the key has arrived
	want(t, r.do("new", "GET", "/v1/projects/keys/members", ""), 200, nil)
	wantProblem(t, r.do("new", "GET", base+"/members", ""), 404, "")
	wantProblem(t, r.do("owner", "POST", "/v1/projects", `{"name":"keys"}`), 409, "exists")
	wantProblem(t, r.do("owner", "POST", "/v1/projects", `{"name":"No"}`), 422, "not a project name")
	wantProblem(t, r.do("admin", "POST", "/v1/projects", `{"name":"x"}`), 403, "admin")
	wantProblem(t, r.do("new", "POST", "/v1/projects", `{"name":"x"}`), 403, "project default")
}

func TestScopesAndRotation(t *testing.T) {
	r := newRig(t)
	var made, next api.CreatedKey
	wantProblem(t, r.do("admin", "POST", base+"/keys", `{"name":"ci","role":"operator","scope":["config.write"]}`), 422, "does not allow")
	want(t, r.do("admin", "POST", base+"/keys", `{"name":"ci","role":"operator","scope":["runs.trigger"],"expiresAt":"2018-07-20T00:00:00Z"}`), 201, &made)
	want(t, r.do("admin", "POST", base+"/keys", `{"name":"keys","role":"admin","scope":["keys.write","runs.read"]}`), 201, &next)
	r.tokens["ci"], r.tokens["keys"] = made.Token, next.Token
	r.apply(workflow("any"))
	want(t, r.do("ci", "POST", base+"/workflows/any/runs", ""), 202, nil)
	wantProblem(t, r.do("ci", "GET", base+"/runs", ""), 403, "scope")
	wantProblem(t, r.do("keys", "POST", base+"/keys", `{"name":"more","role":"admin"}`), 403, "no more than that")
	wantProblem(t, r.do("keys", "POST", base+"/keys/"+made.ID+"/rotate", ""), 403, "can't rotate")
	want(t, r.do("keys", "POST", base+"/keys", `{"name":"less","role":"viewer","scope":["runs.read"]}`), 201, nil)

	want(t, r.do("admin", "POST", base+"/keys/"+made.ID+"/rotate", `{"overlapSeconds":3600}`), 201, &next)
	r.tokens["next"] = next.Token
	r.apply(workflow("more"))
	if next.Name != "ci" || len(next.Scope) != 1 || !next.ExpiresAt.After(r.now.Add(4*24*time.Hour)) {
		t.Errorf("%+v", next)
	}
	want(t, r.do("ci", "POST", base+"/workflows/any/runs", ""), 202, nil)
	want(t, r.do("next", "POST", base+"/workflows/any/runs", ""), 202, nil)
	r.now = r.now.Add(2 * time.Hour)
	wantProblem(t, r.do("ci", "POST", base+"/workflows/any/runs", ""), 401, "expired")
	want(t, r.do("next", "POST", base+"/workflows/any/runs", ""), 202, nil)
	wantProblem(t, r.do("admin", "POST", base+"/keys/"+made.ID+"/rotate", ""), 409, "expired")
	wantProblem(t, r.do("admin", "POST", base+"/keys/none/rotate", ""), 404, "none")
}

// What a caller does, and is refused, is in a chain that holds as read over
// the API, page by page.
func TestAuditChainOverTheAPI(t *testing.T) {
	r := newRig(t)
	r.apply(workflow("one"), workflow("two"))
	for range 3 {
		wantProblem(t, r.do("viewer", "GET", base+"/audit", ""), 403, "")
	}
	wantProblem(t, r.do("viewer", "GET", "/v1/projects/nowhere/runs", ""), 404, "")
	var v chain.Verifier
	var refused, pages int
	for cursor, more := "", true; more; more = cursor != "" {
		target := base + "/audit?oldest&limit=3"
		if cursor != "" {
			target += "&cursor=" + cursor
		}
		var page api.List[api.AuditRecord]
		want(t, r.do("owner", "GET", target, ""), 200, &page)
		for i := range page.Items {
			if err := page.Items[i].Verify(&v); err != nil {
				t.Fatal(err)
			}
			if page.Items[i].Outcome == "refused" {
				refused++
			}
		}
		cursor = page.NextCursor
		pages++
	}
	if refused != 4 || pages < 3 {
		t.Errorf("%d refusals on %d pages", refused, pages)
	}
	var page api.List[api.AuditRecord]
	want(t, r.do("owner", "GET", base+"/audit?actor=viewer&outcome=refused&since=1h", ""), 200, &page)
	if len(page.Items) != 4 || page.Items[0].Action != "other-project" {
		t.Errorf("%+v", page)
	}
}

// A project stays, and with it its audit log: nothing deletes it, and its name
// begins no second chain.
func TestProjectsStay(t *testing.T) {
	r := newRig(t)
	want(t, r.do("owner", "POST", "/v1/projects", `{"name":"shop"}`), 201, nil)
	for _, path := range []string{"/v1/projects/shop", "/v1/projects/shop/audit", "/v1/projects"} {
		if rec := r.do("owner", "DELETE", path, ""); rec.Code != 404 && rec.Code != 405 {
			t.Errorf("DELETE %s: %d", path, rec.Code)
		}
	}
	wantProblem(t, r.do("owner", "POST", "/v1/projects", `{"name":"shop"}`), 409, "exists already")
	for i := range r.server.routes {
		if rt := &r.server.routes[i]; rt.method == "DELETE" && (rt.path == pathProject || strings.Contains(rt.path, "audit")) {
			t.Errorf("%s %s deletes what stays", rt.method, rt.path)
		}
	}
}
