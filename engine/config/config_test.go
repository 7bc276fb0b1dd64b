package config

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"paragon/engine/cache"
	"paragon/engine/seal"
	"paragon/engine/servicetest"
	"paragon/engine/store"
	"paragon/engine/store/sqlite"
	"paragon/schema"
	"paragon/schema/api"
)

func TestMain(m *testing.M) { servicetest.Main(m) }

// flakyStore is a store that can be turned off.
type flakyStore struct {
	store.Store
	down atomic.Bool
}

func (f *flakyStore) Update(ctx context.Context, project string, fn func(store.ConfigTx) error) (int64, error) {
	if f.down.Load() {
		return 0, store.ErrUnavailable
	}
	return f.Store.Update(ctx, project, fn)
}

func (f *flakyStore) Resource(ctx context.Context, project string, ref schema.Ref) (*store.Resource, error) {
	if f.down.Load() {
		return nil, store.ErrUnavailable
	}
	return f.Store.Resource(ctx, project, ref)
}

// rig is a service on a SQLite store and a miniredis.
type rig struct {
	t     testing.TB
	svc   *Service
	store *flakyStore
	mini  *miniredis.Miniredis
	rdb   redis.UniversalClient
	keys  *seal.Keyring
	now   time.Time
}

var alice = Actor{Name: "alice", KeyID: "k-alice", Role: RoleDeveloper, From: "192.0.2.1"}

func newRig(t testing.TB) *rig {
	t.Helper()
	ctx := context.Background()
	db, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	mini := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: mini.Addr(), MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = rdb.Close() })
	m, err := seal.NewLocalMaster(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, store: &flakyStore{Store: db}, mini: mini, rdb: rdb, keys: seal.NewKeyring(m), now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	r.svc = New(Options{Store: r.store, Redis: rdb, Keyring: r.keys, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return r.now }, Timeout: time.Second})
	if err := r.svc.Reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	if err := r.svc.EnsureProject(ctx, "default"); err != nil {
		t.Fatal(err)
	}
	return r
}

// cache loads what is published.
func (r *rig) cache() *cache.Project {
	r.t.Helper()
	c := cache.New(r.rdb, cache.Options{Keyring: r.keys, Log: slog.New(slog.DiscardHandler)})
	if err := c.Start(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	c.Stop(context.Background())
	p := c.Project("default")
	if p == nil {
		r.t.Fatal("the project is not published")
	}
	return p
}

func (r *rig) apply(opts ApplyOptions, set string, contents ...string) (*api.ApplyResult, error) {
	req := api.ApplyRequest{Set: set}
	for i, c := range contents {
		req.Files = append(req.Files, api.File{Name: string(rune('a'+i)) + ".yaml", Content: c})
	}
	return r.svc.Apply(context.Background(), alice, "default", req, opts)
}

func (r *rig) mustApply(set string, contents ...string) *api.ApplyResult {
	r.t.Helper()
	res, err := r.apply(ApplyOptions{}, set, contents...)
	if err != nil {
		r.t.Fatal(explain(err))
	}
	return res
}

// explain is an error with its findings.
func explain(err error) string {
	var p *schema.Problem
	if !errors.As(err, &p) {
		return err.Error()
	}
	out := p.Error()
	for _, d := range p.Errors {
		out += "\n  " + d.File + ": " + d.Code + ": " + d.Message
	}
	return out
}

func wantProblem(t testing.TB, err error, typ schema.ProblemType, text string) *schema.Problem {
	t.Helper()
	var p *schema.Problem
	if !errors.As(err, &p) || p.Type != typ || !strings.Contains(explain(err), text) {
		t.Fatalf("got %v, want a problem %s with %q", err, typ, text)
	}
	return p
}

func actions(res *api.ApplyResult) string {
	var out []string
	for _, i := range res.Items {
		out = append(out, string(i.Action)+" "+i.Ref.String())
	}
	return strings.Join(out, ", ")
}

func workflow(name, message string) string {
	return "apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: " + name + "}\nspec:\n  steps:\n    - id: stop\n      fail: {message: \"" + message + "\"}\n"
}

func secretDoc(name, value string) string {
	return "apiVersion: paragon/v1\nkind: Secret\nmetadata: {name: " + name + "}\nspec: {value: " + value + "}\n"
}

func TestApplyPlansAndWrites(t *testing.T) {
	r := newRig(t)
	plan, err := r.apply(ApplyOptions{DryRun: true}, "", workflow("one", "a"), secretDoc("TOKEN", "hunter2-value"))
	if err != nil {
		t.Fatal(explain(err))
	}
	if !plan.DryRun || !plan.Changed || actions(plan) != "create workflow/one, create secret/TOKEN" {
		t.Errorf("the plan: %+v", plan)
	}
	before, _ := r.store.ConfigVersion(context.Background())
	if _, err := r.svc.Get(context.Background(), "default", schema.Ref{Kind: schema.KindWorkflow, Name: "one"}, 0); err == nil {
		t.Fatal("a dry run wrote")
	}

	res := r.mustApply("", workflow("one", "a"), secretDoc("TOKEN", "hunter2-value"))
	if actions(res) != "create workflow/one, create secret/TOKEN" || res.Items[0].Revision != 1 {
		t.Errorf("the apply: %+v", res)
	}
	after, _ := r.store.ConfigVersion(context.Background())
	if after != before+1 {
		t.Errorf("version went from %d to %d", before, after)
	}
	p := r.cache()
	if w := p.Workflow("one"); w == nil || w.Revision != 1 {
		t.Errorf("published workflow: %+v", w)
	}
	if v, ok := p.Secret("TOKEN"); !ok || v != "hunter2-value" {
		t.Errorf("published secret: %q, %v", v, ok)
	}

	// The same again changes nothing, not even the version.
	res = r.mustApply("", workflow("one", "a"), secretDoc("TOKEN", "hunter2-value"))
	if res.Changed || actions(res) != "unchanged workflow/one, unchanged secret/TOKEN" {
		t.Errorf("the same again: %+v", res)
	}
	if v, _ := r.store.ConfigVersion(context.Background()); v != after {
		t.Errorf("unchanged documents raised the version to %d", v)
	}

	res = r.mustApply("", workflow("one", "b"), secretDoc("TOKEN", "other-value"))
	if actions(res) != "update workflow/one, update secret/TOKEN" || res.Items[0].Revision != 2 {
		t.Errorf("the change: %+v", res)
	}
	if c := res.Items[0].Changes; len(c) != 1 || c[0].Field != "spec.steps[stop].fail.message" || string(c[0].Before) != `"a"` || string(c[0].After) != `"b"` {
		t.Errorf("changes: %+v", c)
	}
	if c := res.Items[1].Changes; len(c) != 1 || c[0].Field != "spec.digest" || strings.Contains(string(c[0].Before)+string(c[0].After), "value") {
		t.Errorf("changes of the secret: %+v", c)
	}

	// Nothing anywhere shows a value.
	records, err := r.svc.Audit(context.Background(), store.AuditQuery{Project: "default", Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	for _, rec := range records {
		log.WriteString(rec.Actor + " " + rec.Action + " " + rec.Object + " " + rec.From + " " + string(rec.Detail) + "\n")
	}
	for _, want := range []string{"alice create workflow/one 192.0.2.1", "alice update secret/TOKEN", "paragond create project/default"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the audit log lacks %q:\n%s", want, log.String())
		}
	}
	shown, err := r.svc.Get(context.Background(), "default", schema.Ref{Kind: schema.KindSecret, Name: "TOKEN"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := r.store.Resource(context.Background(), "default", schema.Ref{Kind: schema.KindSecret, Name: "TOKEN"})
	for name, text := range map[string]string{"audit": log.String(), "shown": string(shown.Spec), "stored": string(raw.Spec)} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "other-value") {
			t.Errorf("%s holds a secret: %s", name, text)
		}
	}
	if !strings.Contains(string(shown.Spec), `"digest"`) || !strings.Contains(string(shown.Spec), `"version":2`) || strings.Contains(string(shown.Spec), "sealed") {
		t.Errorf("shown as %s", shown.Spec)
	}
}

func TestApplyIsAtomic(t *testing.T) {
	r := newRig(t)
	before, _ := r.store.ConfigVersion(context.Background())
	for name, tc := range map[string]struct {
		docs []string
		want string
		n    int // findings
	}{
		"bad YAML":               {docs: []string{workflow("good", "a"), "kind: ["}, n: 1},
		"several errors":         {docs: []string{workflow("good", "a"), workflow("Bad_Name", "a"), "apiVersion: paragon/v1\nkind: Nope\nmetadata: {name: x}\n"}, n: 2},
		"unknown called":         {docs: []string{workflow("good", "a"), strings.Replace(workflow("caller", ""), `fail: {message: ""}`, "call: {workflow: nobody}", 1)}, want: "nobody, which does not exist", n: 1},
		"unresolved secret":      {docs: []string{workflow("good", "a"), "apiVersion: paragon/v1\nkind: Secret\nmetadata: {name: T}\nspec: {valueFrom: {env: X}}\n"}, want: "did not come with the request", n: 1},
		"digest that is another": {docs: []string{workflow("good", "a"), "apiVersion: paragon/v1\nkind: Secret\nmetadata: {name: T}\nspec: {digest: abc}\n"}, want: "has no value", n: 1},
		"no document":            {docs: []string{"# nothing\n"}, want: "no document"},
		"no file":                {want: "no document"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.apply(ApplyOptions{}, "", tc.docs...)
			p := wantProblem(t, err, schema.ProblemInvalid, tc.want)
			if p.Status != 422 || len(p.Errors) < tc.n {
				t.Errorf("status %d, %d findings: %s", p.Status, len(p.Errors), explain(err))
			}
			for _, d := range p.Errors {
				if d.File == "" {
					t.Errorf("a finding names no file: %+v", d)
				}
			}
		})
	}
	if v, _ := r.store.ConfigVersion(context.Background()); v != before {
		t.Errorf("something was written: version %d", v)
	}
	_, err := r.svc.Apply(context.Background(), alice, "nowhere", api.ApplyRequest{Files: []api.File{{Name: "a", Content: workflow("x", "y")}}}, ApplyOptions{})
	wantProblem(t, err, schema.ProblemNotFound, "nowhere")
}

func TestReferences(t *testing.T) {
	r := newRig(t)
	caller := strings.Replace(workflow("caller", ""), `fail: {message: ""}`, "call: {workflow: callee}", 1)
	user := workflow("user", "${{ secrets.TOKEN }}")
	res := r.mustApply("set", caller, workflow("callee", "x"), user)
	if len(res.Warnings) != 1 || res.Warnings[0].Code != "missing-secret" || res.Warnings[0].Resource != "workflow/user" || res.Warnings[0].File != "c.yaml" {
		t.Errorf("warnings: %+v", res.Warnings)
	}
	res = r.mustApply("set", caller, workflow("callee", "x"), user, secretDoc("TOKEN", "value-1234"))
	if len(res.Warnings) != 0 {
		t.Errorf("warnings with the secret in the same apply: %+v", res.Warnings)
	}
	for _, id := range []schema.Ref{{Kind: schema.KindSecret, Name: "TOKEN"}, {Kind: schema.KindWorkflow, Name: "callee"}} {
		err := r.svc.Delete(context.Background(), alice, "default", id, Condition{}, false)
		wantProblem(t, err, schema.ProblemConflict, "is used by workflow")
	}
	_, err := r.apply(ApplyOptions{Prune: true}, "set", caller, user, secretDoc("TOKEN", "value-1234"))
	wantProblem(t, err, schema.ProblemInvalid, "callee")
	if err := r.svc.Delete(context.Background(), alice, "default", schema.Ref{Kind: schema.KindSecret, Name: "TOKEN"}, Condition{}, true); err != nil {
		t.Fatal(explain(err))
	}
	if _, ok := r.cache().Secret("TOKEN"); ok {
		t.Error("the deleted secret is still published")
	}
}

func TestPruneStaysInItsSet(t *testing.T) {
	r := newRig(t)
	r.mustApply("blue", workflow("a", "1"), workflow("b", "1"), secretDoc("S", "value-1"))
	r.mustApply("green", workflow("c", "1"))
	r.mustApply("", workflow("d", "1"))
	_, err := r.apply(ApplyOptions{Prune: true}, "", workflow("a", "1"))
	wantProblem(t, err, schema.ProblemInvalid, "name the set")
	_, err = r.apply(ApplyOptions{Prune: true}, "blue", "# empty\n")
	wantProblem(t, err, schema.ProblemInvalid, "no document")

	res, err := r.apply(ApplyOptions{Prune: true, DryRun: true}, "blue", workflow("a", "1"))
	if err != nil || actions(res) != "unchanged workflow/a, delete workflow/b, delete secret/S" || !res.Changed {
		t.Fatalf("the plan: %+v, %v", res, err)
	}
	res, err = r.apply(ApplyOptions{Prune: true}, "blue", workflow("a", "1"))
	if err != nil || actions(res) != "unchanged workflow/a, delete workflow/b, delete secret/S" || res.Items[1].Revision != 2 {
		t.Fatalf("the prune: %+v, %v", res, err)
	}
	p := r.cache()
	if p.Workflow("b") != nil || p.Workflow("c") == nil || p.Workflow("d") == nil || p.Workflow("a") == nil {
		t.Error("prune took the wrong ones")
	}
	// Editing by hand leaves a resource in its set; taking over moves it.
	if _, _, _, err := r.svc.Put(context.Background(), alice, "default", schema.Ref{Kind: schema.KindWorkflow, Name: "a"}, []byte(workflow("a", "2")), Condition{}); err != nil {
		t.Fatal(explain(err))
	}
	r.mustApply("blue", workflow("e", "1"))
	res, err = r.apply(ApplyOptions{Prune: true}, "blue", workflow("e", "1"))
	if err != nil || actions(res) != "unchanged workflow/e, delete workflow/a" {
		t.Errorf("after an edit: %+v, %v", res, err)
	}
	r.mustApply("blue", workflow("c", "1"))
	res, err = r.apply(ApplyOptions{Prune: true}, "green", workflow("f", "1"))
	if err != nil || actions(res) != "create workflow/f" {
		t.Errorf("after a takeover: %+v, %v", res, err)
	}
}

func TestSecretValues(t *testing.T) {
	r := newRig(t)
	from := "apiVersion: paragon/v1\nkind: Secret\nmetadata: {name: T}\nspec: {valueFrom: {env: X}}\n"
	req := api.ApplyRequest{Files: []api.File{{Name: "s.yaml", Content: from}}, Values: map[string]string{"T": "from-env"}}
	if _, err := r.svc.Apply(context.Background(), alice, "default", req, ApplyOptions{}); err != nil {
		t.Fatal(explain(err))
	}
	if v, _ := r.cache().Secret("T"); v != "from-env" {
		t.Errorf("value is %q", v)
	}
	// What was shown can be applied again, with another label even.
	id := schema.Ref{Kind: schema.KindSecret, Name: "T"}
	shown, err := r.svc.Get(context.Background(), "default", id, 0)
	if err != nil {
		t.Fatal(err)
	}
	doc := `{"apiVersion":"paragon/v1","kind":"Secret","metadata":{"name":"T"},"spec":` + string(shown.Spec) + `}`
	if res := r.mustApply("", doc); res.Changed {
		t.Errorf("what was shown is a change: %+v", res.Items)
	}
	res := r.mustApply("", strings.Replace(doc, `{"name":"T"}`, `{"name":"T","labels":{"a":"b"}}`, 1))
	if actions(res) != "update secret/T" || len(res.Items[0].Changes) != 1 || res.Items[0].Changes[0].Field != "metadata.labels.a" {
		t.Errorf("with a label: %+v", res.Items)
	}
	if v, _ := r.cache().Secret("T"); v != "from-env" {
		t.Errorf("value is %q after a change of labels", v)
	}
	_, err = r.apply(ApplyOptions{}, "", secretDoc("BIG", strings.Repeat("x", maxSecret+1)))
	p := wantProblem(t, err, schema.ProblemInvalid, "is the most")
	if strings.Contains(explain(p), "xxx") {
		t.Error("the problem shows the value")
	}
}
