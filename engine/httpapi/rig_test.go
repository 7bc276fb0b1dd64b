package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"paragon/engine/cache"
	"paragon/engine/config"
	"paragon/engine/connect/enrol"
	"paragon/engine/connect/users"
	"paragon/engine/execution"
	"paragon/engine/outbound"
	"paragon/engine/seal"
	"paragon/engine/servicetest"
	"paragon/engine/stats"
	"paragon/engine/store"
	"paragon/engine/store/sqlite"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

func TestMain(m *testing.M) {
	// net/http's server keeps a connection that it refused half open for 500 ms.
	servicetest.Main(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// fakeRuns is an execution plane whose runs end at once, or when it is told.
type fakeRuns struct {
	fakeSteering
	fakeOperations
	mu       sync.Mutex
	requests []execution.Request
	runs     map[string]*schema.Run
	actors   []string
	err      error
	response *execution.Response
	onCancel func(ctx context.Context) error
	ended    chan struct{} // closed: runs have ended; nil: at once
}

func (f *fakeRuns) Trigger(_ context.Context, req execution.Request) (*schema.Run, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	if string(req.Input) == `"panic"` {
		panic("told to")
	}
	f.requests = append(f.requests, req)
	run := &schema.Run{ID: fmt.Sprintf("r%06d", len(f.requests)), Project: req.Project, Workflow: req.Workflow, Status: schema.RunQueued,
		Trigger: req.Trigger, Input: req.Input, CreatedAt: time.Unix(0, 0).UTC()}
	f.runs[run.ID] = run
	copied := *run
	return &copied, nil
}

func (f *fakeRuns) Get(_ context.Context, project, id string) (*schema.Run, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	run := f.runs[id]
	if run == nil || run.Project != project {
		return nil, notFound("there is no run %s", id)
	}
	copied := *run
	return &copied, nil
}

func (f *fakeRuns) Steps(ctx context.Context, project, id string) ([]schema.StepRecord, error) {
	if _, err := f.Get(ctx, project, id); err != nil {
		return nil, err
	}
	return []schema.StepRecord{{Path: "a", Step: "a", Kind: "set", Status: schema.StepSucceeded}}, nil
}

func (f *fakeRuns) Payload(ctx context.Context, project, id, _ string) (json.RawMessage, error) {
	run, err := f.Get(ctx, project, id)
	if err != nil {
		return nil, err
	}
	return run.Input, nil
}

func (f *fakeRuns) List(_ context.Context, project string, q api.RunsQuery) (api.List[schema.Run], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var page api.List[schema.Run]
	for i := len(f.runs); i > 0; i-- {
		run := f.runs[fmt.Sprintf("r%06d", i)]
		if run == nil || run.Project != project || q.Workflow != "" && run.Workflow != q.Workflow || q.Cursor != "" && run.ID >= q.Cursor {
			continue
		}
		if len(page.Items) == min(q.Limit, 2) {
			page.NextCursor = page.Items[len(page.Items)-1].ID
			break
		}
		page.Items = append(page.Items, *run)
	}
	return page, f.err
}

func (f *fakeRuns) Wait(ctx context.Context, project, id string) (*schema.Run, error) {
	select {
	case <-f.ended:
		f.end(id)
	case <-ctx.Done():
	}
	return f.Get(context.WithoutCancel(ctx), project, id)
}

func (f *fakeRuns) end(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if run := f.runs[id]; run != nil {
		run.Status = schema.RunSucceeded
	}
}

func (f *fakeRuns) Response(ctx context.Context, _, _ string) (*execution.Response, error) {
	select {
	case <-f.ended:
		return f.response, nil
	case <-ctx.Done():
		return nil, nil
	}
}

func (f *fakeRuns) Cancel(ctx context.Context, project, id, actor string) (*schema.Run, error) {
	if f.onCancel != nil {
		if err := f.onCancel(ctx); err != nil {
			return nil, err
		}
	}
	run, err := f.Get(ctx, project, id)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.actors = append(f.actors, actor)
	return run, err
}

func (f *fakeRuns) Publish(context.Context, execution.Event) (*execution.Delivery, error) {
	return &execution.Delivery{ID: "e1", Started: []string{}, Told: []string{}}, nil
}

// UserOf has every user whose name begins with u_.
func (f *fakeRuns) UserOf(_ context.Context, _ *cache.Workflow, user string, scope *workflows.Scope) (*schema.RunUser, error) {
	if !strings.HasPrefix(user, "u_") {
		return nil, nil
	}
	scope.User = map[string]any{"id": user}
	return &schema.RunUser{ID: user}, nil
}

func (f *fakeRuns) Replay(ctx context.Context, project, id string, fromStep, actor string) (*schema.Run, error) {
	run, err := f.Get(ctx, project, id)
	if err != nil {
		return nil, err
	}
	return f.Trigger(ctx, execution.Request{Project: project, Workflow: run.Workflow, Input: run.Input,
		Trigger: schema.Trigger{Kind: "replay", ID: fromStep, Actor: actor, Parent: id}})
}

func (f *fakeRuns) last(t testing.TB) execution.Request {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.requests) == 0 {
		t.Fatal("no run was started")
	}
	return f.requests[len(f.requests)-1]
}

func (f *fakeRuns) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.requests)
}

// rig is a server over a real configuration and a fake execution plane.
type rig struct {
	stats  *stats.View
	t      testing.TB
	server *Server
	config *config.Service
	dir    string // of the store's files
	db     store.Store
	rdb    redis.UniversalClient
	keys   *seal.Keyring
	cache  *cache.Cache
	book   *users.Book
	users  *users.Service
	enrol  *enrol.Service
	// stopped are the users, with a workflow or none, whose runs were ended.
	stopped []string
	runs    *fakeRuns
	fleet   fakeFleet
	mini    *miniredis.Miniredis
	tokens  map[string]string // by role; "other" is of another project
	log     *bytes.Buffer
	now     time.Time
	drain   atomic.Bool
	checks  []Check
	proxy   fakeProxy
	told    fakeDestinations
}

func newRig(t testing.TB) *rig {
	t.Helper()
	ctx := context.Background()
	dir := t.TempDir()
	db, err := sqlite.Open(ctx, filepath.Join(dir, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	mini := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: mini.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	master, err := seal.NewLocalMaster(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	keys := seal.NewKeyring(master)
	closed := make(chan struct{})
	close(closed)
	r := &rig{t: t, dir: dir, db: db, rdb: rdb, keys: keys, mini: mini, runs: &fakeRuns{runs: map[string]*schema.Run{}, ended: closed}, tokens: map[string]string{}, log: &bytes.Buffer{},
		now: time.Unix(1531420618, 0)}
	quiet := slog.New(slog.DiscardHandler)
	r.config = config.New(config.Options{Store: db, Redis: rdb, Keyring: keys, Log: quiet, Now: func() time.Time { return r.now }})
	if err := r.config.Reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"default", "elsewhere"} {
		if err := r.config.EnsureProject(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	for _, role := range config.Roles {
		r.tokens[string(role)] = r.newKey("default", string(role), string(role))
	}
	r.tokens["other"] = r.newKey("elsewhere", "other", "owner")
	r.cache = cache.New(rdb, cache.Options{Keyring: keys, Log: quiet})
	if err := r.cache.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.cache.Stop(ctx) })
	r.stats = stats.NewView(stats.NewReader(rdb), stats.Sources{
		Queues: func(context.Context) ([]api.Queue, error) {
			return []api.Queue{{Runs: 7, Oldest: r.now.Add(-time.Minute), Paused: true}}, nil
		},
		Workers: func(context.Context) ([]api.Worker, error) { return []api.Worker{{Alive: true, Running: 3}, {}}, nil },
	}, func() time.Time { return r.now })
	r.book = users.NewBook(users.BookOptions{Redis: rdb, Config: r.cache, Log: quiet, Now: func() time.Time { return r.now }})
	client := outbound.New(outbound.Settings{AllowLoopback: true})
	t.Cleanup(client.Close)
	r.enrol = enrol.NewService(enrol.Options{Store: db, Redis: rdb, Config: r.cache, Now: func() time.Time { return r.now },
		Stop: func(_ context.Context, project, user, workflow string) error {
			r.stopped = append(r.stopped, project+"/"+user+"/"+workflow)
			return nil
		}})
	r.users = users.NewService(users.Options{Store: db, Book: r.book, HTTP: client, PublicURL: publicURL, Changed: r.enrol.Changed})
	if err := r.users.Reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	r.server, err = New(Options{Cache: r.cache, Config: r.config, Users: r.users, Book: r.book, Enrol: r.enrol, Runs: r.runs, Fleet: &r.fleet, Stats: r.stats, Proxy: &r.proxy, ProxyCalls: db, Destinations: &r.told, Now: func() time.Time { return r.now },
		Log: slog.New(slog.NewTextHandler(r.log, nil)), Version: api.Version{Version: "v0", Go: "go", Mode: "dev"},
		Limits: Limits{Body: 10_000}, Draining: r.drain.Load,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "paragon_up 1\n") }),
		Checks: []Check{{Name: "sometimes", Required: true, Check: func(context.Context) error {
			for _, c := range r.checks {
				if err := c.Check(ctx); err != nil {
					return err
				}
			}
			return nil
		}}, {Name: "never", Check: func(context.Context) error { return io.ErrUnexpectedEOF }}}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) newKey(project, name, role string) string {
	r.t.Helper()
	k, err := r.config.CreateKey(context.Background(), config.System, project, api.CreateKeyRequest{Name: name, Role: role})
	if err != nil {
		r.t.Fatal(err)
	}
	return k.Token
}

// apply applies documents and waits until they are in memory.
func (r *rig) apply(docs ...string) {
	r.t.Helper()
	got := make(chan struct{}, 100)
	defer r.cache.Subscribe(func() { got <- struct{}{} })()
	before := r.cache.Version()
	_, err := r.config.Apply(context.Background(), config.System, "default",
		api.ApplyRequest{Files: []api.File{{Name: "t.yaml", Content: strings.Join(docs, "\n---\n")}}}, config.ApplyOptions{})
	if err != nil {
		var p *schema.Problem
		if as(err, &p) {
			r.t.Fatalf("%v %+v", err, p.Errors)
		}
		r.t.Fatal(err)
	}
	late := time.After(10 * time.Second)
	for r.cache.Version() == before {
		select {
		case <-got:
		case <-late:
			r.t.Fatal("the configuration did not arrive")
		}
	}
}

// do sends a request with the key of a role ("" for none). Headers come in
// pairs.
func (r *rig) do(role, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	if role != "" {
		req.Header.Set("Authorization", "Bearer "+r.tokens[role])
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	r.server.ServeHTTP(rec, req)
	return rec
}

// want fails unless the answer has the status; it decodes the body into v.
func want(t testing.TB, rec *httptest.ResponseRecorder, status int, v any) {
	t.Helper()
	if rec.Code != status {
		t.Fatalf("status %d, want %d: %s", rec.Code, status, rec.Body)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal(rec.Body.Bytes(), v); err != nil {
		t.Fatalf("%v: %s", err, rec.Body)
	}
}

// wantProblem fails unless the answer is a well-formed problem.
func wantProblem(t testing.TB, rec *httptest.ResponseRecorder, status int, text string) *schema.Problem {
	t.Helper()
	var p schema.Problem
	want(t, rec, status, &p)
	if ct := rec.Header().Get("Content-Type"); ct != schema.ProblemContentType {
		t.Errorf("content type %q", ct)
	}
	if p.Status != status || p.Type == "" || p.Title == "" || p.Instance == "" || len(p.TraceID) != 32 {
		t.Errorf("problem is not complete: %s", rec.Body)
	}
	if !strings.Contains(p.Detail, text) {
		t.Errorf("detail %q lacks %q", p.Detail, text)
	}
	return &p
}
