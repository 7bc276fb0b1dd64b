package config

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"paragon/engine/cache"
	"paragon/engine/seal"
	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

var one = schema.Ref{Kind: schema.KindWorkflow, Name: "one"}

func TestPutConditions(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	put := func(message string, c Condition) (*api.StoredResource, api.Action, error) {
		res, action, _, err := r.svc.Put(ctx, alice, "default", one, []byte(workflow("one", message)), c)
		return res, action, err
	}
	_, _, err := put("a", Condition{Revision: 1})
	wantProblem(t, err, schema.ProblemPrecondition, "does not exist any more")
	_, _, err = put("a", Condition{Exists: true})
	wantProblem(t, err, schema.ProblemPrecondition, "does not exist any more")
	res, action, err := put("a", Condition{Absent: true})
	if err != nil || action != api.ActionCreate || res.Status.Revision != 1 {
		t.Fatalf("create: %+v, %s, %v", res, action, err)
	}
	_, _, err = put("b", Condition{Absent: true})
	wantProblem(t, err, schema.ProblemPrecondition, "exists already")
	res, action, err = put("b", Condition{Revision: 1})
	if err != nil || action != api.ActionUpdate || res.Status.Revision != 2 {
		t.Fatalf("update: %+v, %s, %v", res, action, err)
	}
	_, _, err = put("c", Condition{Revision: 1})
	p := wantProblem(t, err, schema.ProblemPrecondition, "alice changed it at 2026-05-01T12:00:00Z")
	if p.Status != 412 {
		t.Errorf("status %d", p.Status)
	}
	res, action, err = put("b", Condition{Exists: true})
	if err != nil || action != api.ActionUnchanged || res.Status.Revision != 2 {
		t.Errorf("unchanged: %+v, %s, %v", res, action, err)
	}
	for name, body := range map[string]string{
		"another name": workflow("two", "a"), "another kind": secretDoc("one", "value"), "two documents": workflow("one", "a") + "---\n" + workflow("two", "b"),
		"broken": "{", "empty": "",
	} {
		_, _, _, err := r.svc.Put(ctx, alice, "default", one, []byte(body), Condition{})
		if p := (*schema.Problem)(nil); !errors.As(err, &p) || p.Status != 422 {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantProblem(t, r.svc.Delete(ctx, alice, "default", one, Condition{Revision: 1}, false), schema.ProblemPrecondition, "revision 2")
	if err := r.svc.Delete(ctx, alice, "default", one, Condition{Revision: 2}, false); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, r.svc.Delete(ctx, alice, "default", one, Condition{}, false), schema.ProblemNotFound, "workflow/one")
}

func TestHistoryAndRollback(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	for _, m := range []string{"a", "b", "c"} {
		r.mustApply("", workflow("one", m))
	}
	_, err := r.svc.Rollback(ctx, alice, "default", schema.Ref{Kind: schema.KindWorkflow, Name: "two"}, 0, Condition{})
	wantProblem(t, err, schema.ProblemNotFound, "never was")
	_, err = r.svc.Rollback(ctx, alice, "default", one, 9, Condition{})
	wantProblem(t, err, schema.ProblemNotFound, "no revision 9")
	_, err = r.svc.Rollback(ctx, alice, "default", one, 1, Condition{Revision: 2})
	wantProblem(t, err, schema.ProblemPrecondition, "revision 3")
	res, err := r.svc.Rollback(ctx, alice, "default", one, 0, Condition{Revision: 3})
	if err != nil || res.Status.Revision != 4 || !strings.Contains(string(res.Spec), `"b"`) {
		t.Fatalf("rollback: %+v, %v", res, err)
	}
	res, err = r.svc.Rollback(ctx, alice, "default", one, 2, Condition{})
	if err != nil || res.Status.Revision != 4 {
		t.Errorf("to what is there already: %+v, %v", res, err)
	}
	if w := r.cache().Workflow("one"); w == nil || w.Revision != 4 || w.Spec.Steps[0].Fail.Message != "b" {
		t.Errorf("published: %+v", w)
	}
	if err := r.svc.Delete(ctx, alice, "default", one, Condition{}, false); err != nil {
		t.Fatal(err)
	}
	_, err = r.svc.Rollback(ctx, alice, "default", one, 5, Condition{})
	wantProblem(t, err, schema.ProblemConflict, "its deletion")
	res, err = r.svc.Rollback(ctx, alice, "default", one, 0, Condition{})
	if err != nil || res.Status.Revision != 6 || r.cache().Workflow("one") == nil {
		t.Errorf("back from the dead: %+v, %v", res, err)
	}
	page, err := r.svc.History(ctx, "default", one, 0)
	if err != nil || len(page.Items) != 6 || !page.Items[1].Status.Deleted || page.Items[0].Status.Revision != 6 {
		t.Errorf("history: %+v, %v", page, err)
	}
	old, err := r.svc.Get(ctx, "default", one, 1)
	if err != nil || !strings.Contains(string(old.Spec), `"a"`) {
		t.Errorf("revision 1: %+v, %v", old, err)
	}

	r.mustApply("", secretDoc("S", "first-value"))
	r.mustApply("", secretDoc("S", "second-value"))
	if _, err := r.svc.Rollback(ctx, alice, "default", schema.Ref{Kind: schema.KindSecret, Name: "S"}, 0, Condition{}); err != nil {
		t.Fatal(err)
	}
	if v, _ := r.cache().Secret("S"); v != "first-value" {
		t.Errorf("the secret after the rollback: %q", v)
	}
}

func TestListPages(t *testing.T) {
	r := newRig(t)
	r.mustApply("", workflow("a", "x"), workflow("b", "x"), workflow("c", "x"))
	page, err := r.svc.List(context.Background(), "default", schema.KindWorkflow, "", 2)
	if err != nil || len(page.Items) != 2 || page.NextCursor != "b" {
		t.Fatalf("page 1: %+v, %v", page, err)
	}
	page, err = r.svc.List(context.Background(), "default", schema.KindWorkflow, page.NextCursor, 2)
	if err != nil || len(page.Items) != 1 || page.Items[0].Metadata.Name != "c" || page.NextCursor != "" {
		t.Errorf("page 2: %+v, %v", page, err)
	}
}

func TestKeys(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	token, err := r.svc.Bootstrap(ctx, "default")
	if err != nil || !strings.HasPrefix(token, "pgn_") || len(token) != 4+13+1+43 {
		t.Fatalf("bootstrap: %q, %v", token, err)
	}
	if again, err := r.svc.Bootstrap(ctx, "default"); err != nil || again != "" {
		t.Errorf("bootstrap again: %q, %v", again, err)
	}
	k := r.cache().Key(HashToken(token))
	if k == nil || k.Role != "owner" || k.Name != "bootstrap" || k.Project != "default" {
		t.Fatalf("published key: %+v", k)
	}
	owner := Actor{Name: "owner", KeyID: k.ID, Role: RoleOwner}
	wantProblem(t, r.svc.DeleteKey(ctx, owner, "default", k.ID), schema.ProblemConflict, "last owner key")
	wantProblem(t, r.svc.DeleteKey(ctx, owner, "default", "none"), schema.ProblemNotFound, "none")

	admin := Actor{Name: "admin", Role: RoleAdmin}
	_, err = r.svc.CreateKey(ctx, admin, "default", api.CreateKeyRequest{Name: "x", Role: "owner"})
	wantProblem(t, err, schema.ProblemForbidden, "can't hand out")
	wantProblem(t, r.svc.DeleteKey(ctx, admin, "default", k.ID), schema.ProblemForbidden, "can't delete")
	for name, req := range map[string]api.CreateKeyRequest{
		"no name": {Role: "viewer"}, "no role": {Name: "x"}, "unknown role": {Name: "x", Role: "root"},
		"past": {Name: "x", Role: "viewer", ExpiresAt: r.now.Add(-time.Second)}, "control": {Name: "a\nb", Role: "viewer"},
	} {
		if _, err := r.svc.CreateKey(ctx, owner, "default", req); err == nil {
			t.Errorf("%s: created", name)
		}
	}
	made, err := r.svc.CreateKey(ctx, admin, "default", api.CreateKeyRequest{Name: "ci", Role: "developer", ExpiresAt: r.now.Add(time.Hour)})
	if err != nil || !strings.HasPrefix(made.Token, TokenPrefix+made.ID+"_") {
		t.Fatalf("create: %+v, %v", made, err)
	}
	r.svc.TouchKey(made.ID)
	r.svc.flushUsed(ctx)
	keys, err := r.svc.ListKeys(ctx, "default")
	if err != nil || len(keys) != 2 {
		t.Fatalf("list: %+v, %v", keys, err)
	}
	for _, k := range keys {
		if k.ID == made.ID && (!k.LastUsed.Equal(r.now) || k.CreatedBy != "admin") {
			t.Errorf("key: %+v", k)
		}
	}
	if err := r.svc.DeleteKey(ctx, admin, "default", made.ID); err != nil {
		t.Fatal(err)
	}
	if r.cache().Key(HashToken(made.Token)) != nil {
		t.Error("a deleted key is still published")
	}
	records, _ := r.svc.Audit(ctx, store.AuditQuery{Project: "default", Limit: 100})
	refused := 0
	for _, rec := range records {
		if strings.Contains(string(rec.Detail), made.Token) {
			t.Error("the audit log holds a token")
		}
		if rec.Outcome == "refused" {
			refused++
		}
	}
	if refused == 0 {
		t.Error("the refusal is not in the audit log")
	}
}

func TestRolesGrow(t *testing.T) {
	for i, role := range Roles {
		for _, a := range Actions {
			if i > 0 && role.Allows(a) && !Roles[i-1].Allows(a) {
				t.Errorf("%s may %s, and the stronger %s may not", role, a, Roles[i-1])
			}
		}
	}
	if RoleViewer.Allows(ActionTrigger) || RoleOperator.Allows(ActionWriteConfig) || RoleDeveloper.Allows(ActionWriteKeys) || Role("x").Allows(ActionReadRuns) {
		t.Error("a role may too much")
	}
}

func TestStoreAndRedisAway(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	r.mustApply("", workflow("one", "a"))
	r.store.down.Store(true)
	_, err := r.apply(ApplyOptions{}, "", workflow("one", "b"))
	p := wantProblem(t, err, schema.ProblemUnavailable, "database")
	if p.Status != 503 || p.RetryAfter == 0 {
		t.Errorf("%+v", p)
	}
	_, err = r.svc.Get(ctx, "default", one, 0)
	wantProblem(t, err, schema.ProblemUnavailable, "database")
	r.svc.Refused(ctx, alice, "default", "config.write", "x", "role") // only logs
	r.store.down.Store(false)

	// Redis away: the apply is stored and answered, and published later.
	r.mini.SetError("LOADING Redis is loading the dataset in memory")
	r.mustApply("", workflow("one", "b"))
	r.mini.SetError("")
	if w := r.cache().Workflow("one"); w.Revision != 1 {
		t.Fatalf("revision %d was published while Redis was away", w.Revision)
	}
	if err := r.svc.Reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	if w := r.cache().Workflow("one"); w.Revision != 2 {
		t.Errorf("revision %d after the reconciliation", w.Revision)
	}
	// A change after a gap publishes everything.
	r.mini.FlushAll()
	r.mustApply("", workflow("two", "a"))
	if p := r.cache(); p.Workflow("one") == nil || p.Workflow("two") == nil {
		t.Error("not everything is published after a gap")
	}
}

func TestReconcileFetchesWhatWorkersMiss(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	r.mustApply("", workflow("one", "a"))
	r.mustApply("", workflow("one", "b"))
	r.mini.FlushAll()
	if err := r.svc.Reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	c := cache.New(r.rdb, cache.Options{Keyring: r.keys})
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer c.Stop(ctx)
	if _, err := c.WorkflowAt(ctx, "default", "one", 1); !errors.Is(err, cache.ErrNotYet) {
		t.Fatalf("revision 1 after a flush: %v", err)
	}
	if _, err := c.WorkflowAt(ctx, "default", "one", 7); !errors.Is(err, cache.ErrNotYet) {
		t.Fatalf("revision 7 after a flush: %v", err)
	}
	if err := r.svc.Reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	if w, err := c.WorkflowAt(ctx, "default", "one", 1); err != nil || w.Spec.Steps[0].Fail.Message != "a" {
		t.Errorf("revision 1: %v, %v", w, err)
	}
	_, err := c.WorkflowAt(ctx, "default", "one", 7)
	wantProblem(t, err, schema.ProblemNotFound, "revision 7")
}

func TestStoreWentBack(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	r.mustApply("", workflow("one", "a"))
	other := newRig(t) // a new store, with the Redis of before
	old := New(Options{Store: other.store, Redis: r.rdb, Keyring: r.keys})
	if err := old.Reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	if r.cache().Workflow("one") != nil {
		t.Error("what the store does not have is still published")
	}
}

func TestConcurrentApplies(t *testing.T) {
	r := newRig(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if _, err := r.apply(ApplyOptions{}, "", workflow("w"+string(rune('a'+i)), "x"), workflow("shared", string(rune('a'+i)))); err != nil {
				t.Error(explain(err))
			}
		})
	}
	wg.Wait()
	p := r.cache()
	now, err := r.store.Resource(context.Background(), "default", schema.Ref{Kind: schema.KindWorkflow, Name: "shared"})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Workflows()) != 9 || p.Workflow("shared").Revision != 8 || now.Revision != 8 {
		t.Errorf("%d workflows, shared at %d in Redis and %d in the store", len(p.Workflows()), p.Workflow("shared").Revision, now.Revision)
	}
}

func TestMasterKeyRotates(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	r.mustApply("", secretDoc("S", "value-1"))
	if n, err := r.svc.RotateMasterKey(ctx, System); n != 0 || err != nil {
		t.Errorf("nothing to rotate: %d, %v", n, err)
	}
	masters := make([]seal.Master, 2)
	for i := range masters {
		var err error
		if masters[i], err = seal.NewLocalMaster(bytes.Repeat([]byte{byte(i + 1)}, 32)); err != nil {
			t.Fatal(err)
		}
	}
	next := New(Options{Store: r.store, Redis: r.rdb, Keyring: seal.NewKeyring(masters[1], masters[0])})
	if n, err := next.RotateMasterKey(ctx, System); n != 1 || err != nil {
		t.Errorf("rotated %d, %v", n, err)
	}
	r.keys = seal.NewKeyring(masters[1]) // the old key is gone
	if v, ok := r.cache().Secret("S"); !ok || v != "value-1" {
		t.Errorf("secret: %q, %v", v, ok)
	}
}

func TestStartAndStop(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	svc := New(Options{Store: r.store, Redis: r.rdb, Keyring: r.keys, Reconcile: 5 * time.Millisecond})
	if err := svc.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := svc.Start(ctx); err == nil {
		t.Error("started twice")
	}
	r.mini.FlushAll()
	late := time.Now().Add(10 * time.Second)
	for {
		if _, ok, _, _ := cache.Published(ctx, r.rdb); ok {
			break
		}
		if time.Now().After(late) {
			t.Fatal("an emptied Redis was not filled again")
		}
	}
	svc.TouchKey("none")
	svc.Stop(ctx)
	svc.Stop(ctx)
}

var _ store.Config = (*flakyStore)(nil)

func FuzzApply(f *testing.F) {
	f.Add(workflow("one", "a"))
	f.Add(secretDoc("S", "v") + "---\n" + workflow("x", "${{ secrets.S }}"))
	f.Add(`{"apiVersion":"paragon/v1","kind":"Workflow","metadata":{"name":"j"},"spec":{"steps":[]}}`)
	f.Add("a: &a [*a]\n")
	r := newRig(f)
	f.Fuzz(func(t *testing.T, text string) {
		before, err := r.store.ConfigVersion(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.apply(ApplyOptions{}, "", text)
		if err == nil {
			return
		}
		if p := (*schema.Problem)(nil); !errors.As(err, &p) {
			t.Fatalf("not a problem: %v", err)
		}
		if after, _ := r.store.ConfigVersion(context.Background()); after != before {
			t.Fatalf("refused, and yet the version went from %d to %d", before, after)
		}
	})
}
