package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"paragon/engine/seal"
	"paragon/engine/servicetest"
	"paragon/engine/store"
	"paragon/schema"
)

func TestMain(m *testing.M) { servicetest.Main(m) }

func TestPublishAndFollow(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		f := newFixture(t, rdb)
		ctx := context.Background()
		early := f.cache(0) // started before anything is published
		if err := early.Ready(); !errors.Is(err, ErrEmpty) {
			t.Errorf("ready before the first publication: %v", err)
		}
		ch := changed(t, early)
		f.snap.Resources = []store.Resource{f.workflow("one", 1, "a"), f.secret("TOKEN", 1, "hunter2-value")}
		f.snap.Keys = []store.Key{f.key("k1", "token-1")}
		f.publish()
		await(t, ch, early, 1)

		c := f.cache(0)
		for name, c := range map[string]*Cache{"early": early, "late": c} {
			p := c.Project("default")
			if p == nil || failMessage(p.Workflow("one")) != "a" || p.Workflow("one").Revision != 1 || p.Workflow("one").Project != "default" {
				t.Fatalf("%s: workflow one is not there: %+v", name, p)
			}
			if v, ok := p.Secret("TOKEN"); !ok || v != "hunter2-value" {
				t.Errorf("%s: secret is %q, %v", name, v, ok)
			}
			if k := c.Key(sha256.Sum256([]byte("token-1"))); k == nil || k.ID != "k1" || p.Key(sha256.Sum256([]byte("token-1"))) != k {
				t.Errorf("%s: key is %+v", name, k)
			}
			if c.Project("other") != nil || p.Workflow("two") != nil || c.Key([32]byte{}) != nil {
				t.Errorf("%s: something is there that is not", name)
			}
			if got := p.Redactor().String("a hunter2-value b"); got != "a *** b" {
				t.Errorf("%s: redacted to %q", name, got)
			}
		}
		// No plaintext in Redis.
		keys, err := rdb.Keys(ctx, "*").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			dump := rdb.Get(ctx, k).Val() + fmt.Sprint(rdb.HGetAll(ctx, k).Val())
			if strings.Contains(dump, "hunter2") || strings.Contains(dump, "token-1") {
				t.Errorf("redis key %s holds a secret: %s", k, dump)
			}
			if !strings.HasPrefix(k, "paragon:{config}:") {
				t.Errorf("key %s is in another slot", k)
			}
		}

		before := early.Project("default").Workflow("one")
		if err := PublishChange(ctx, rdb, Change{Version: 2,
			Resources:   []store.Resource{f.workflow("two", 1, "b"), f.secret("TOKEN", 2, "second-value"), f.workflow("three", 1, "c")},
			Keys:        []store.Key{f.key("k2", "token-2")},
			DeletedKeys: []string{"k1"},
		}); err != nil {
			t.Fatal(err)
		}
		await(t, ch, early, 2)
		p := early.Project("default")
		if failMessage(p.Workflow("two")) != "b" || len(p.Workflows()) != 3 || p.Workflows()[0].Name != "one" {
			t.Errorf("after the change: %v", p.Workflows())
		}
		if p.Workflow("one") != before {
			t.Error("a workflow that did not change was compiled again")
		}
		if v, _ := p.Secret("TOKEN"); v != "second-value" {
			t.Errorf("secret is %q", v)
		}
		if got := p.Redactor().String("hunter2-value second-value"); got != "*** ***" {
			t.Errorf("the value before is not redacted any more: %q", got)
		}
		if early.Key(sha256.Sum256([]byte("token-1"))) != nil || early.Key(sha256.Sum256([]byte("token-2"))) == nil {
			t.Error("keys did not change")
		}

		gone := f.workflow("one", 2, "a")
		gone.Deleted = true
		if err := PublishChange(ctx, rdb, Change{Version: 3, Resources: []store.Resource{gone, f.workflow("two", 2, "b2")}}); err != nil {
			t.Fatal(err)
		}
		await(t, ch, early, 3)
		if early.Project("default").Workflow("one") != nil || failMessage(early.Project("default").Workflow("two")) != "b2" {
			t.Error("the deletion was not seen")
		}
		// A run that started with the revision before goes on with it.
		for _, rev := range []int64{1, 2} {
			w, err := early.WorkflowAt(ctx, "default", "two", rev)
			if err != nil || w.Revision != rev {
				t.Errorf("revision %d: %v, %v", rev, w, err)
			}
		}
		if w, err := early.WorkflowAt(ctx, "default", "one", 1); err != nil || failMessage(w) != "a" {
			t.Errorf("the deleted workflow at its last revision: %v, %v", w, err)
		}
	})
}

func TestOlderNeverWins(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := context.Background()
		f := newFixture(t, rdb)
		f.snap.Version = 5
		f.snap.Resources = []store.Resource{f.workflow("one", 2, "new")}
		f.publish()
		old := *f.snap
		old.Version, old.Resources = 4, []store.Resource{f.workflow("one", 1, "old")}
		if err := Publish(ctx, rdb, &old); err != nil {
			t.Fatal(err)
		}
		if err := PublishChange(ctx, rdb, Change{Version: 4, Resources: old.Resources}); err != nil {
			t.Fatal(err)
		}
		if err := PublishChange(ctx, rdb, Change{Version: 7}); !errors.Is(err, ErrGap) {
			t.Errorf("a change with a gap: %v", err)
		}
		c := f.cache(0)
		if c.Version() != 5 || failMessage(c.Project("default").Workflow("one")) != "new" {
			t.Errorf("version %d has %q", c.Version(), failMessage(c.Project("default").Workflow("one")))
		}
		ch := changed(t, c)
		if err := Republish(ctx, rdb, &old); err != nil {
			t.Fatal(err)
		}
		await(t, ch, c, 4)
		if got := failMessage(c.Project("default").Workflow("one")); got != "old" {
			t.Errorf("after the store went back: %q", got)
		}
	})
}

func TestFlushed(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := context.Background()
		f := newFixture(t, rdb)
		f.snap.Resources = []store.Resource{f.workflow("one", 2, "a")}
		f.publish()
		c := f.cache(0)
		ch := changed(t, c)
		if err := rdb.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		c.refresh(ctx)
		if c.Ready() != nil || failMessage(c.Project("default").Workflow("one")) != "a" {
			t.Error("memory does not serve on")
		}
		if _, ok, _, err := Published(ctx, rdb); ok || err != nil {
			t.Errorf("an empty Redis has a version: %v", err)
		}
		if err := PublishChange(ctx, rdb, Change{Version: 2}); !errors.Is(err, ErrGap) {
			t.Errorf("a change onto an empty Redis: %v", err)
		}
		f.snap.Version = 2
		f.publish()
		await(t, ch, c, 2)

		// The revision before is only in the store now.
		_, err := c.WorkflowAt(ctx, "default", "one", 1)
		if !errors.Is(err, ErrNotYet) {
			t.Fatalf("a revision that Redis lost: %v", err)
		}
		refs, err := Wanted(ctx, rdb, 10)
		if err != nil || len(refs) != 1 || refs[0].Revision != 1 || refs[0].Name != "one" || refs[0].Project != "default" {
			t.Fatalf("wanted: %+v, %v", refs, err)
		}
		r := f.workflow("one", 1, "first")
		if err := PublishRevision(ctx, rdb, refs[0], &r, false); err != nil {
			t.Fatal(err)
		}
		if w, err := c.WorkflowAt(ctx, "default", "one", 1); err != nil || failMessage(w) != "first" {
			t.Errorf("after it was fetched: %v, %v", w, err)
		}
		refs[0].Revision = 9
		if err := PublishRevision(ctx, rdb, refs[0], nil, false); err != nil {
			t.Fatal(err)
		}
		var p *schema.Problem
		if _, err := c.WorkflowAt(ctx, "default", "one", 9); !errors.As(err, &p) || p.Status != 404 {
			t.Errorf("a revision that never was: %v", err)
		}
	})
}

func TestLostNoticeAndLostDocument(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := context.Background()
		f := newFixture(t, rdb)
		f.snap.Resources = []store.Resource{f.workflow("one", 1, "a")}
		f.publish()
		c := f.cache(10 * time.Millisecond)
		ch := changed(t, c)
		// As a change does it, without the notice.
		h, _, err := readHead(ctx, rdb)
		if err != nil {
			t.Fatal(err)
		}
		two := f.workflow("two", 1, "b")
		if err := rdb.HSet(ctx, indexKey(h.generation), resourceField("default", schema.Ref{Kind: schema.KindWorkflow, Name: "two"}), resourceEntry{1, two.Digest}.String()).Err(); err != nil {
			t.Fatal(err)
		}
		h.version++
		if err := rdb.Set(ctx, headKey, h.String(), 0).Err(); err != nil {
			t.Fatal(err)
		}
		// Its document is lost, too: it is asked for, and until then the version
		// before serves.
		var refs []RevisionRef
		for len(refs) == 0 {
			if refs, err = Wanted(ctx, rdb, 10); err != nil {
				t.Fatal(err)
			}
		}
		if c.Version() != 1 || failMessage(c.Project("default").Workflow("one")) != "a" {
			t.Errorf("version %d serves", c.Version())
		}
		if err := PublishRevision(ctx, rdb, refs[0], &two, true); err != nil {
			t.Fatal(err)
		}
		await(t, ch, c, 2)
		if failMessage(c.Project("default").Workflow("two")) != "b" {
			t.Error("workflow two did not arrive")
		}
	})
}

func TestBrokenAndUnopenable(t *testing.T) {
	rdb := client(t, miniredis.RunT(t).Addr())
	f := newFixture(t, rdb)
	broken := f.workflow("bad", 1, "x")
	broken.Spec = json.RawMessage(`{"steps":[{"id":"a","fromTheFuture":{}}]}`)
	f.snap.Resources = []store.Resource{broken, f.workflow("good", 1, "ok"), f.secret("S", 1, "value")}
	f.publish()

	c := f.cache(0)
	w := c.Project("default").Workflow("bad")
	if w == nil || w.Broken == nil || w.Workflow == nil || w.Name != "bad" {
		t.Errorf("a workflow that does not compile: %+v", w)
	}
	if failMessage(c.Project("default").Workflow("good")) != "ok" {
		t.Error("another one suffers")
	}
	sealed, err := c.Seal("default", []byte("plain"), "run/1")
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := c.Open("default", sealed, "run/1"); err != nil || string(plain) != "plain" {
		t.Errorf("open: %q, %v", plain, err)
	}
	if _, err := c.Open("default", sealed, "run/2"); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("open elsewhere: %v", err)
	}

	m, _ := seal.NewLocalMaster(bytes.Repeat([]byte{2}, 32))
	f.keys = seal.NewKeyring(m)
	other := f.cache(0)
	if _, ok := other.Project("default").Secret("S"); ok {
		t.Error("opened under another master key")
	}
	if failMessage(other.Project("default").Workflow("good")) != "ok" {
		t.Error("workflows suffer from a wrong master key")
	}
	if _, err := other.Seal("default", nil, ""); err == nil {
		t.Error("sealed without a data key")
	}
}

func TestFarBehindLoadsEverything(t *testing.T) {
	rdb := client(t, miniredis.RunT(t).Addr())
	f := newFixture(t, rdb)
	f.publish()
	c := New(rdb, Options{Keyring: f.keys})
	c.refresh(context.Background())
	for v := range int64(maxLog + 5) {
		if err := PublishChange(context.Background(), rdb, Change{Version: v + 2, Resources: []store.Resource{f.workflow("w", v+1, fmt.Sprint(v))}}); err != nil {
			t.Fatal(err)
		}
	}
	c.refresh(context.Background())
	if got := failMessage(c.Project("default").Workflow("w")); c.Version() != maxLog+6 || got != fmt.Sprint(maxLog+4) {
		t.Errorf("version %d has %q", c.Version(), got)
	}
}

func TestStartAndStop(t *testing.T) {
	srv := miniredis.RunT(t)
	f := newFixture(t, client(t, srv.Addr()))
	srv.Close()
	c := f.cache(5 * time.Millisecond) // Redis is away: no error
	if err := c.Ready(); err == nil || errors.Is(err, ErrEmpty) {
		t.Errorf("ready without Redis: %v", err)
	}
	if err := c.Start(context.Background()); err == nil {
		t.Error("started twice")
	}
	if err := srv.Restart(); err != nil {
		t.Fatal(err)
	}
	ch := changed(t, c)
	f.publish()
	await(t, ch, c, 1)
	c.Stop(context.Background())
	c.Stop(context.Background())
	New(f.rdb, Options{Keyring: f.keys}).Stop(context.Background())
	done, cancel := context.WithCancel(context.Background())
	cancel()
	if err := New(f.rdb, Options{Keyring: f.keys}).Start(done); !errors.Is(err, context.Canceled) {
		t.Errorf("start with an ended context: %v", err)
	}
}

func BenchmarkRead(b *testing.B) {
	rdb := client(b, miniredis.RunT(b).Addr())
	f := newFixture(b, rdb)
	for i := range 100 {
		f.snap.Resources = append(f.snap.Resources, f.workflow(fmt.Sprintf("w%d", i), 1, "x"))
	}
	f.publish()
	c := f.cache(0)
	b.ReportAllocs()
	for b.Loop() {
		if c.Project("default").Workflow("w50") == nil {
			b.Fatal("not there")
		}
	}
}
