package users

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"paragon/engine/connect"
	"paragon/schema"
	"paragon/schema/api"
)

func wantProblem(t *testing.T, err error, status int, text string) {
	t.Helper()
	var p *schema.Problem
	if !errors.As(err, &p) || p.Status != status || !strings.Contains(p.Detail, text) {
		t.Errorf("got %v; want %d with %q", err, status, text)
	}
}

func TestConsent(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	idp := newProvider(t)
	r.apply(idp.document())
	s, worker := r.consenting(), r.process()
	i := r.cache.Project(project).Integration("crm").Integration
	_, err := s.Connect(ctx, ada, placeOfU1, api.ConnectRequest{})
	wantProblem(t, err, 404, "no user u_1")
	r.user(s, "u_1")
	if _, err := worker.Credential(ctx, callerOfU1, i); connect.ReasonOf(err) != connect.ReasonNoCredential {
		t.Errorf("before: %v", err)
	}
	_, err = s.Connect(ctx, ada, placeOfU1, api.ConnectRequest{Settings: []byte(`{"region":"moon"}`)})
	wantProblem(t, err, 422, "crm")
	_, err = s.Connect(ctx, ada, placeOfU1, api.ConnectRequest{ReturnTo: "javascript:alert(1)"})
	wantProblem(t, err, 422, "returnTo")

	begun, err := s.Connect(ctx, ada, placeOfU1, api.ConnectRequest{Settings: []byte(`{"region": "eu"}`), ReturnTo: "https://app.example.org/done"})
	r.must(err)
	ticket := ticketOf(t, begun.URL)
	_, _, err = s.StartFlow(ctx, "elsewhere", "crm", "made-up")
	wantProblem(t, err, 400, "counts no longer")
	to, cookie, err := s.StartFlow(ctx, project, "crm", ticket)
	r.must(err)
	_, _, err = s.StartFlow(ctx, project, "crm", ticket)
	wantProblem(t, err, 400, "counts no longer")
	u, err := url.Parse(to)
	r.must(err)
	if q := u.Query(); q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || q.Get("scope") != "openid offline_access" ||
		q.Get("redirect_uri") != publicURL+"/oauth/callback" || len(q.Get("state")) != 43 {
		t.Errorf("the browser goes to %s", to)
	}
	q := idp.consent(to)
	if now, err := s.Connecting(ctx, project, "u_1", begun.ID); err != nil || now.Status != api.ConnectPending {
		t.Errorf("%+v %v", now, err)
	}
	out, err := s.FinishFlow(ctx, q.Get("state"), q.Get("code"), "", cookie)
	r.must(err)
	if out.Err != nil || out.ReturnTo != "https://app.example.org/done" {
		t.Fatalf("%+v", out)
	}
	_, err = s.FinishFlow(ctx, q.Get("state"), q.Get("code"), "", cookie)
	wantProblem(t, err, 400, "counts no longer")
	if now, err := s.Connecting(ctx, project, "u_1", begun.ID); err != nil || now.Status != api.ConnectDone {
		t.Errorf("%+v %v", now, err)
	}
	_, err = s.Connecting(ctx, project, "u_2", begun.ID)
	wantProblem(t, err, 404, "no authorization")
	_, err = s.Connecting(ctx, "elsewhere", "", begun.ID)
	wantProblem(t, err, 404, "no authorization")

	var lent *connect.Credential
	r.soon("the worker has the credential", func() bool {
		lent, err = worker.Credential(ctx, callerOfU1, i)
		return err == nil
	})
	if !idp.works(lent.Token) || lent.Settings["region"] != "eu" {
		t.Errorf("the credential does not work: %+v", lent.Settings)
	}
	list, err := s.Credentials(ctx, project, "u_1")
	if err != nil || len(list) != 1 || list[0].Status != "valid" || list[0].Kind != "oauth2" || list[0].ExpiresAt.IsZero() || string(list[0].Settings) != `{"region":"eu"}` {
		t.Errorf("%+v %v", list, err)
	}
	// What is deleted is revoked at the server.
	r.must(s.DeleteCredential(ctx, ada, placeOfU1))
	if idp.works(lent.Token) {
		t.Error("the token of a deleted credential still works")
	}
	r.soon("the worker knows", func() bool {
		_, err := worker.Credential(ctx, callerOfU1, i)
		return connect.ReasonOf(err) == connect.ReasonNoCredential
	})
	// Nothing of it is in Redis in the clear.
	keys, err := r.rdb.Keys(ctx, "*").Result()
	r.must(err)
	for _, key := range keys {
		if text := key + r.rdb.Dump(ctx, key).Val(); strings.Contains(text, lent.Token) || strings.Contains(text, ticket) || strings.Contains(text, q.Get("state")) {
			t.Errorf("the key %s holds a token, a ticket or a state", key)
		}
	}
}

func TestConsentThatFails(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	idp := newProvider(t)
	r.apply(idp.document())
	s := r.consenting()
	r.user(s, "u_1")
	begin := func() (id, to, cookie string) {
		t.Helper()
		begun, err := s.Connect(ctx, ada, placeOfU1, api.ConnectRequest{})
		r.must(err)
		to, cookie, err = s.StartFlow(ctx, project, "crm", ticketOf(t, begun.URL))
		r.must(err)
		return begun.ID, to, cookie
	}
	failed := func(id, text string) {
		t.Helper()
		now, err := s.Connecting(ctx, project, "", id)
		if err != nil || now.Status != api.ConnectFailed || !strings.Contains(now.Error, text) {
			t.Errorf("%+v %v; want a failure with %q", now, err, text)
		}
	}
	// Another browser, which was given the callback's address.
	id, to, cookie := begin()
	q := idp.consent(to)
	_, err := s.FinishFlow(ctx, q.Get("state"), q.Get("code"), "", "another")
	wantProblem(t, err, 422, "not the browser")
	failed(id, "another browser")
	_, err = s.FinishFlow(ctx, q.Get("state"), q.Get("code"), "", cookie)
	wantProblem(t, err, 400, "counts no longer")

	for name, c := range map[string]struct{ code, refusal, text string }{
		"denied":       {"", "access_denied", "access_denied"},
		"no code":      {"", "", "no code"},
		"a wrong code": {"made-up", "", "could not be exchanged"},
	} {
		id, to, cookie = begin()
		u, err := url.Parse(to)
		r.must(err)
		out, err := s.FinishFlow(ctx, u.Query().Get("state"), c.code, c.refusal, cookie)
		if err != nil || out.Err == nil {
			t.Errorf("%s: %+v %v", name, out, err)
		}
		failed(id, c.text)
	}
	// A code that PKCE bound to another verifier.
	_, to1, _ := begin()
	id, to2, cookie2 := begin()
	code := idp.consent(to1).Get("code")
	u, err := url.Parse(to2)
	r.must(err)
	out, err := s.FinishFlow(ctx, u.Query().Get("state"), code, "", cookie2)
	if err != nil || out.Err == nil {
		t.Errorf("another's code: %+v %v", out, err)
	}
	failed(id, "could not be exchanged")

	begun, err := s.Connect(ctx, ada, placeOfU1, api.ConnectRequest{})
	r.must(err)
	r.advance(flowLife + 1)
	failed(begun.ID, "in time")
	_, _, err = s.StartFlow(ctx, project, "crm", ticketOf(t, begun.URL))
	wantProblem(t, err, 400, "counts no longer")
	if list, err := s.Credentials(ctx, project, "u_1"); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
}
