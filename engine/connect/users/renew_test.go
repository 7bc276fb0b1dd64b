package users

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"paragon/engine/connect"
	"paragon/engine/outbound"
	"paragon/engine/store"
	"paragon/schema/api"
	"paragon/workflows"
)

// everybody calls at once, spread over the processes, and returns what each got.
func everybody(n int, processes []*Lender, i *workflows.Integration) (tokens map[string]int, reasons map[connect.Reason]int) {
	tokens, reasons = map[string]int{}, map[connect.Reason]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for k := range n {
		wg.Go(func() {
			<-start
			c, err := processes[k%len(processes)].Credential(context.Background(), callerOfU1, i)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				reasons[connect.ReasonOf(err)]++
				return
			}
			tokens[c.Token]++
		})
	}
	close(start)
	wg.Wait()
	return tokens, reasons
}

// Two hundred calls with an expired token, in four processes on one Redis, make
// one request to a server that rotates refresh tokens: a second one would end
// the consent.
func TestRefreshExactlyOnce(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	idp, s := r.connected()
	processes := []*Lender{r.process(), r.process(), r.process(), r.process()}
	i := r.cache.Project(project).Integration("crm").Integration
	last := ""
	for round := int64(1); round <= 5; round++ {
		r.advance(time.Hour)
		tokens, reasons := everybody(200, processes, i)
		if len(tokens) != 1 || len(reasons) != 0 || idp.refreshes.Load() != round {
			t.Fatalf("round %d: %d tokens, failures %v, %d refreshes", round, len(tokens), reasons, idp.refreshes.Load())
		}
		for token, n := range tokens {
			if n != 200 || token == last || !idp.works(token) {
				t.Fatalf("round %d: %d calls got the token; new: %v, works: %v", round, n, token != last, idp.works(token))
			}
			last = token
		}
	}
	// The store gets what Redis has, and Redis gets it back.
	r.must(s.Reconcile(ctx))
	stored, err := r.db.Credential(ctx, placeOfU1)
	if err != nil || stored.Version != 5 || stored.Status != store.CredentialValid {
		t.Fatalf("the store has %+v, %v", stored, err)
	}
	r.must(r.rdb.FlushAll(ctx).Err())
	r.must(r.config.Reconcile(ctx))
	r.must(s.Reconcile(ctx))
	r.advance(time.Hour)
	if tokens, reasons := everybody(20, []*Lender{r.process()}, i); len(tokens) != 1 || len(reasons) != 0 {
		t.Errorf("after Redis was lost: %d tokens, %v", len(tokens), reasons)
	}
}

// A refusal by the far side's API renews, once, and not again at once.
func TestRefusedByTheAPI(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	idp, _ := r.connected()
	first, second := r.process(), r.process()
	i := r.cache.Project(project).Integration("crm").Integration
	old, err := first.Credential(ctx, callerOfU1, i)
	r.must(err)
	fresh, err := first.Refresh(ctx, callerOfU1, i, old)
	if err != nil || fresh.Token == old.Token || fresh.Version == old.Version || !idp.works(fresh.Token) {
		t.Fatalf("%v", err)
	}
	if again, err := second.Refresh(ctx, callerOfU1, i, old); err != nil || again.Token != fresh.Token {
		t.Errorf("who comes later with the old one: %v", err)
	}
	if _, err := second.Refresh(ctx, callerOfU1, i, fresh); connect.ReasonOf(err) != connect.ReasonInvalid || !strings.Contains(err.Error(), "new") {
		t.Errorf("the new one refused at once: %v", err)
	}
	if n := idp.refreshes.Load(); n != 1 {
		t.Errorf("%d refreshes", n)
	}
}

func TestRevokedConsent(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	var failures []Failure
	idp, s := r.connected(func(o *Options) {
		o.Failed = func(_ context.Context, f Failure) error { failures = append(failures, f); return nil }
	})
	processes := []*Lender{r.process(), r.process()}
	i := r.cache.Project(project).Integration("crm").Integration
	r.must(idp.storage.TerminateSession(ctx, "ada", "paragon"))
	r.advance(time.Hour)
	tokens, reasons := everybody(200, processes, i)
	if len(tokens) != 0 || reasons[connect.ReasonInvalid] != 200 || idp.refreshes.Load() != 1 {
		t.Fatalf("%d tokens, %v, %d refreshes", len(tokens), reasons, idp.refreshes.Load())
	}
	// Nothing is attempted until it is connected again.
	everybody(50, processes, i)
	_, err := processes[1].Credential(ctx, callerOfU1, i)
	if idp.refreshes.Load() != 1 || err == nil || !strings.Contains(err.Error(), "invalid_grant") || !strings.Contains(err.Error(), "connect it again") {
		t.Errorf("%d refreshes, %v", idp.refreshes.Load(), err)
	}
	for range 3 {
		r.must(s.Reconcile(ctx))
	}
	if len(failures) != 1 || failures[0].Place != placeOfU1 || failures[0].ID == "" || !strings.Contains(failures[0].Reason, "invalid_grant") {
		t.Errorf("told of %+v", failures)
	}
	records, err := r.db.Audit(ctx, store.AuditQuery{Project: project, Action: "invalidate"})
	if err != nil || len(records) != 1 || records[0].Object != "credential/u_1/crm/default" {
		t.Errorf("%+v %v", records, err)
	}
	if n := strings.Count(r.log.String(), "a credential became invalid"); n != 1 {
		t.Errorf("%d lines in the log", n)
	}
	list, err := s.Credentials(ctx, project, "u_1")
	if err != nil || list[0].Status != "invalid" || !strings.Contains(list[0].Reason, "invalid_grant") {
		t.Errorf("%+v %v", list, err)
	}
	r.connect(s, idp, placeOfU1)
	r.soon("it works again", func() bool {
		tokens, _ := everybody(4, processes, i)
		return len(tokens) == 1
	})
}

// A failure is told once more when the one who is told failed, with the same id.
func TestFailuresAreToldUntilTheyAreHeard(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	idp := newProvider(t)
	r.apply(idp.document())
	var ids []string
	s := r.consenting(func(o *Options) {
		o.Failed = func(_ context.Context, f Failure) error {
			if ids = append(ids, f.ID); len(ids) == 1 {
				return errors.New("not now")
			}
			return nil
		}
	})
	r.user(s, "u_1")
	_, err := s.PutCredential(ctx, ada, placeOfU1, api.PutCredentialRequest{OAuth2: &api.TokenCredential{AccessToken: "short", ExpiresAt: r.clock().Add(time.Minute)}})
	r.must(err)
	r.advance(2 * time.Minute)
	i := r.cache.Project(project).Integration("crm").Integration
	if _, err := r.process().Credential(ctx, callerOfU1, i); connect.ReasonOf(err) != connect.ReasonInvalid || !strings.Contains(err.Error(), "no refresh token") {
		t.Errorf("a token that ended: %v", err)
	}
	if err := s.Reconcile(ctx); err == nil {
		t.Error("that nobody heard it is no error")
	}
	r.must(s.Reconcile(ctx))
	r.must(s.Reconcile(ctx))
	if len(ids) != 2 || ids[0] != ids[1] {
		t.Errorf("told as %v", ids)
	}
}

// A server that is away makes nothing invalid, and is not asked by everybody.
func TestServerAway(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	idp, _ := r.connected()
	processes := []*Lender{r.process(), r.process()}
	i := r.cache.Project(project).Integration("crm").Integration
	idp.down.Store(true)
	r.advance(5*time.Minute - 10*time.Second) // about to end
	if tokens, reasons := everybody(50, processes, i); len(tokens) != 1 || len(reasons) != 0 {
		t.Errorf("a token that is still good: %d tokens, %v", len(tokens), reasons)
	}
	r.must(r.rdb.Del(ctx, restKey(placeOfU1)).Err())
	r.advance(time.Hour)
	before := idp.refreshes.Load()
	if tokens, reasons := everybody(200, processes, i); len(tokens) != 0 || reasons[connect.ReasonUnavailable] != 200 {
		t.Errorf("while it is away: %d tokens, %v", len(tokens), reasons)
	}
	// One asks for all, and again only when the pause is over.
	if n := idp.refreshes.Load() - before; n < 1 || n > 20 {
		t.Errorf("%d requests for 200 calls", n)
	}
	idp.down.Store(false)
	r.must(r.rdb.Del(ctx, restKey(placeOfU1)).Err())
	if tokens, reasons := everybody(20, processes, i); len(tokens) != 1 {
		t.Errorf("when it is back: %d tokens, %v", len(tokens), reasons)
	}
}

// The lock of a process that died ends by itself; one that is late with its
// tokens overwrites nothing but the refusal that its own lateness caused.
func TestLocksAndLateCommits(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	_, s := r.connected()
	l := r.process()
	i := r.cache.Project(project).Integration("crm").Integration
	r.must(r.rdb.Set(ctx, lockKey(placeOfU1), "dead", 300*time.Millisecond).Err())
	r.advance(time.Hour)
	if tokens, reasons := everybody(3, []*Lender{l}, i); len(tokens) != 1 {
		t.Fatalf("after the lock ended: %v", reasons)
	}
	if n := r.rdb.Exists(ctx, lockKey(placeOfU1)).Val(); n != 0 {
		t.Error("the lock is still held")
	}
	base, err := l.book.readCredential(ctx, placeOfU1)
	r.must(err)
	late := *base
	late.Secret.Token, late.Secret.RefreshToken = "late", "late-refresh"
	if _, err := l.invalidate(ctx, base, "refused"); err == nil {
		t.Fatal("no error")
	}
	got, err := l.commit(ctx, &late, "")
	if err != nil || got.Secret.Token != "late" || got.Version != base.Version+2 {
		t.Errorf("new tokens after a refusal of the old ones: %+v %v", got, err)
	}
	if got, err = l.commit(ctx, &late, ""); err != nil || got.Version != base.Version+2 {
		t.Errorf("the same once more: %+v %v", got, err)
	}
	if got, err = l.invalidate(ctx, base, "too late"); err != nil || got.Secret.Token != "late" {
		t.Errorf("a refusal of what was replaced: %+v %v", got, err)
	}
	r.must(s.DeleteCredential(ctx, ada, placeOfU1))
	if _, err := l.commit(ctx, got, ""); !errors.Is(err, ErrNoCredential) {
		t.Errorf("tokens for what was deleted: %v", err)
	}
	r.must(s.Reconcile(ctx))
	if _, err := r.db.Credential(ctx, placeOfU1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("it came back: %v", err)
	}
}

// Closing waits for the renewals under way, whose callers went away.
func TestCloseWaits(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	idp, _ := r.connected()
	client := outbound.New(outbound.Settings{AllowLoopback: true})
	t.Cleanup(client.Close)
	l := NewLender(r.book(), client)
	i := r.cache.Project(project).Integration("crm").Integration
	hold := make(chan struct{})
	idp.mu.Lock()
	idp.hold = hold
	idp.mu.Unlock()
	r.advance(time.Hour)
	call, leave := context.WithCancel(ctx)
	left := make(chan error, 1)
	go func() { _, err := l.Credential(call, callerOfU1, i); left <- err }()
	r.soon("the server is asked", func() bool { return idp.refreshes.Load() == 1 })
	leave()
	if err := <-left; err == nil {
		t.Error("a caller who left got a token")
	}
	closed := make(chan struct{})
	go func() { l.Close(); close(closed) }()
	close(hold)
	<-closed
	if c, err := r.book().readCredential(ctx, placeOfU1); err != nil || c.Version != 1 {
		t.Errorf("what the server gave is lost: %+v %v", c, err)
	}
	if _, err := l.Refresh(ctx, callerOfU1, i, &connect.Credential{}); err != nil {
		t.Errorf("reading after Close: %v", err)
	}
}

func TestCredentialsThatUsersBring(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	r.apply(`
apiVersion: paragon/v1
kind: Integration
metadata: {name: crm}
spec:
  baseUrl: "https://${{ settings.shop }}.example.com"
  auth: {basic: {}}
  settings: {type: object, required: [shop], properties: {shop: {type: string}}}
---
apiVersion: paragon/v1
kind: Integration
metadata: {name: keyed}
spec: {baseUrl: "https://example.com", auth: {apiKey: {header: X-Key}}}
---
apiVersion: paragon/v1
kind: Integration
metadata: {name: open}
spec: {baseUrl: "https://example.com"}
`)
	s, worker := r.consenting(), r.process()
	r.user(s, "u_1")
	basic := api.PutCredentialRequest{Basic: &api.BasicCredential{Username: "ada", Password: "pässword"}, Settings: json.RawMessage(`{"shop":"one"}`)}
	place := func(user, integration, account string) Place {
		return Place{Project: project, User: user, Integration: integration, Account: account}
	}
	for name, c := range map[string]struct {
		place  Place
		req    api.PutCredentialRequest
		status int
		text   string
	}{
		"nobody":        {place("u_9", "crm", "default"), basic, 404, "no user u_9"},
		"nothing":       {place("u_1", "none", "default"), basic, 404, "no integration none"},
		"an account":    {place("u_1", "crm", "A B"), basic, 422, "account"},
		"two parts":     {place("u_1", "crm", "default"), api.PutCredentialRequest{Basic: basic.Basic, Bearer: &api.BearerCredential{Token: "x"}}, 422, "exactly one"},
		"no part":       {place("u_1", "crm", "default"), api.PutCredentialRequest{}, 422, "exactly one"},
		"another kind":  {place("u_1", "crm", "default"), api.PutCredentialRequest{Bearer: &api.BearerCredential{Token: "x"}}, 422, "asks for basic"},
		"none wanted":   {place("u_1", "open", "default"), basic, 422, "sends no credential"},
		"a line break":  {place("u_1", "keyed", "default"), api.PutCredentialRequest{APIKey: &api.KeyCredential{Key: "a\r\nX: y"}}, 422, "line break"},
		"a colon":       {place("u_1", "crm", "default"), api.PutCredentialRequest{Basic: &api.BasicCredential{Username: "a:b"}}, 422, "colon"},
		"no settings":   {place("u_1", "crm", "default"), api.PutCredentialRequest{Basic: basic.Basic}, 422, "shop"},
		"list settings": {place("u_1", "crm", "default"), api.PutCredentialRequest{Basic: basic.Basic, Settings: json.RawMessage(`[]`)}, 422, "object"},
	} {
		_, err := s.PutCredential(ctx, ada, c.place, c.req)
		t.Run(name, func(t *testing.T) { wantProblem(t, err, c.status, c.text) })
	}
	// Several accounts, and the project's own beside them.
	for account, password := range map[string]string{"default": "one", "work": "two"} {
		req := basic
		req.Basic = &api.BasicCredential{Username: "ada", Password: password}
		_, err := s.PutCredential(ctx, ada, place("u_1", "crm", account), req)
		r.must(err)
	}
	req := basic
	req.Basic = &api.BasicCredential{Username: "us", Password: "shared"}
	_, err := s.PutCredential(ctx, ada, place("", "crm", "default"), req)
	r.must(err)
	i := r.cache.Project(project).Integration("crm").Integration
	for _, c := range []struct{ user, account, password string }{{"u_1", "", "one"}, {"u_1", "default", "one"}, {"u_1", "work", "two"}, {"", "", "shared"}} {
		got, err := worker.Credential(ctx, connect.Caller{Project: project, Integration: "crm", User: c.user, Account: c.account}, i)
		if err != nil || got.Password != c.password || got.Settings["shop"] != "one" {
			t.Errorf("%+v: %+v %v", c, got, err)
		}
	}
	_, err = worker.Credential(ctx, connect.Caller{Project: project, Integration: "crm", User: "u_1", Account: "none"}, i)
	if connect.ReasonOf(err) != connect.ReasonNoCredential || !strings.Contains(err.Error(), "account none") {
		t.Errorf("an account that is not there: %v", err)
	}
	// A credential that was sealed for one place opens at no other.
	h := r.rdb.HGetAll(ctx, credentialKey(place("u_1", "crm", "work"))).Val()
	r.user(s, "u_2")
	r.must(r.rdb.HSet(ctx, credentialKey(place("u_2", "crm", "default")), h).Err())
	if got, err := worker.Credential(ctx, connect.Caller{Project: project, Integration: "crm", User: "u_2"}, i); err == nil {
		t.Errorf("another's credential opened: %v", got != nil)
	}
	yes := true
	_, _, err = s.PutUser(ctx, ada, project, "u_1", api.PutUserRequest{Disabled: &yes})
	r.must(err)
	r.soon("a disabled user has no credential", func() bool {
		_, err := worker.Credential(ctx, callerOfU1, i)
		return connect.ReasonOf(err) == connect.ReasonDisabled
	})
	// Another kind of integration under the name: what is there does not fit.
	r.apply("apiVersion: paragon/v1\nkind: Integration\nmetadata: {name: crm}\nspec: {baseUrl: https://example.com, auth: {bearer: {}}}\n")
	_, err = worker.Credential(ctx, connect.Caller{Project: project, Integration: "crm"}, r.cache.Project(project).Integration("crm").Integration)
	if connect.ReasonOf(err) != connect.ReasonInvalid || !strings.Contains(err.Error(), "of kind basic") {
		t.Errorf("after the integration changed: %v", err)
	}
	r.must(s.DeleteUser(ctx, ada, project, "u_1"))
	r.soon("who is gone", func() bool {
		_, err := worker.Credential(ctx, callerOfU1, i)
		return connect.ReasonOf(err) == connect.ReasonNoUser
	})
	if list, err := s.Credentials(ctx, project, ""); err != nil || len(list) != 1 {
		t.Errorf("the shared one: %+v %v", list, err)
	}
}
