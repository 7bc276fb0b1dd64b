package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// callers call an API for a user, through several processes at once: half of
// them by the proxy, half by runs.
type callers struct {
	c     *cluster
	doors []*api.Client
}

// everybody makes n calls at once, and counts how they ended.
func (k *callers) everybody(n int, user string) map[string]int {
	ended := map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			call := k.byProxy
			if i%2 == 1 {
				call = k.byRun
			}
			how := call(k.doors[i/2%len(k.doors)], user)
			mu.Lock()
			defer mu.Unlock()
			ended[how]++
		})
	}
	close(start)
	wg.Wait()
	return ended
}

func (k *callers) byProxy(door *api.Client, user string) string {
	resp, err := door.Proxy(k.c.t.Context(), api.ProxyRequest{Integration: "crm", Method: http.MethodGet, Path: "/userinfo", User: user})
	var p *schema.Problem
	switch {
	case errors.As(err, &p):
		return "proxy " + string(p.Type)
	case err != nil:
		return "proxy: " + err.Error()
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return fmt.Sprint("proxy ", resp.StatusCode)
}

func (k *callers) byRun(door *api.Client, user string) string {
	run, err := door.Trigger(k.c.t.Context(), "calls", api.TriggerRequest{User: user}, time.Minute)
	switch {
	case err != nil:
		return "run: " + err.Error()
	case run.Error != nil:
		return "run " + run.Error.Type
	}
	return "run " + string(run.Status)
}

// brings gives a new user a credential, whose access token the API does not know.
func (k *callers) brings(user, refresh string, expires time.Time) {
	c, ctx := k.c, k.c.t.Context()
	c.t.Helper()
	_, err := k.doors[0].PutUser(ctx, user, api.PutUserRequest{})
	c.must(err)
	_, err = k.doors[0].PutCredential(ctx, user, "crm", api.DefaultAccount, api.PutCredentialRequest{
		OAuth2: &api.TokenCredential{AccessToken: "ended-long-ago", RefreshToken: refresh, ExpiresAt: expires}})
	c.must(err)
	for _, door := range k.doors {
		c.eventually(time.Minute, "the workflow is the user's", func(ctx context.Context) (bool, error) {
			w, err := door.UserWorkflow(ctx, user, "calls")
			return err == nil && w.Active, err
		})
	}
}

// TestTokensAreRenewedOnceByAllProcesses lets two hundred calls at once come to
// three processes that serve and three that execute, with a token that has ended
// or one that the API refuses: the server, which takes each refresh token once, is
// asked once. Where the consent was taken back all fail, one event tells of it,
// and nothing more is asked.
func TestTokensAreRenewedOnceByAllProcesses(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	idp := newIssuer(t)
	k := &callers{c: c}
	for i := range 3 {
		p := c.start(fmt.Sprintf("api-%d", i), "api,scheduler,flusher")
		door := api.New(p.url(), c.token, api.WithAttempts(1), api.WithTimeout(2*time.Minute))
		t.Cleanup(door.Close)
		k.doors = append(k.doors, door)
		c.start(fmt.Sprintf("worker-%d", i), "worker")
	}
	c.apply(c.processes[0], idp.integration())
	first := k.doors[0]
	const calls = 200
	good := map[string]int{"proxy 200": calls / 2, "run succeeded": calls / 2}
	for i, ended := range []time.Duration{-time.Hour, time.Hour, -time.Hour, time.Hour} {
		user := fmt.Sprintf("u_%d", i)
		k.brings(user, idp.consent("ada"), time.Now().Add(ended))
		if got := k.everybody(calls, user); !maps.Equal(got, good) || idp.refreshes.Load() != int64(i+1) {
			t.Fatalf("%s: %v, and the server was asked %d times", user, got, idp.refreshes.Load())
		}
	}

	k.brings("u_9", idp.consent("bea"), time.Now().Add(-time.Hour))
	c.must(idp.storage.TerminateSession(t.Context(), "bea", "paragon"))
	bad := map[string]int{"proxy " + string(schema.ProblemCredential): calls / 2, "run credential": calls / 2}
	for range 2 {
		begun := time.Now()
		if got := k.everybody(calls, "u_9"); !maps.Equal(got, bad) || idp.refreshes.Load() != 5 {
			t.Fatalf("without consent: %v, and the server was asked %d times", got, idp.refreshes.Load())
		}
		t.Logf("%d calls were refused in %v", calls, time.Since(begun))
	}
	told := func(ctx context.Context) (list []schema.Run, err error) {
		for run, err := range first.AllRuns(ctx, api.RunsQuery{Workflow: "told"}) {
			if err != nil {
				return nil, err
			}
			list = append(list, run)
		}
		return list, nil
	}
	c.eventually(time.Minute, "the project is told", func(ctx context.Context) (bool, error) {
		list, err := told(ctx)
		return len(list) > 0, err
	})
	c.pass(2 * time.Second) // for a second telling, which does not come
	list, err := told(t.Context())
	c.must(err)
	records, err := first.Audit(t.Context(), api.AuditQuery{Action: "invalidate"})
	c.must(err)
	if len(list) != 1 || len(records.Items) != 1 || records.Items[0].Object != "credential/u_9/crm/default" {
		t.Errorf("%d runs were told of it, and the audit log has %+v", len(list), records.Items)
	}
	held, err := first.Credentials(t.Context(), "u_9")
	c.must(err)
	if len(held.Items) != 1 || held.Items[0].Status != "invalid" || !strings.Contains(held.Items[0].Reason, "invalid_grant") {
		t.Errorf("the credential is %+v", held.Items)
	}
}
