package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"paragon/engine/seal"
	"paragon/engine/store"
)

func master(t *testing.T, b byte) seal.Master {
	t.Helper()
	m, err := seal.NewLocalMaster(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The rotation of a key tells running processes of the project alone: the
// secrets that they have opened stay, and what was sealed before still opens.
func TestSecretsStayWhenKeysChange(t *testing.T) {
	rdb := client(t, miniredis.RunT(t).Addr())
	f := newFixture(t, rdb)
	ctx := context.Background()
	f.keys = seal.NewKeyring(master(t, 2), master(t, 1))
	f.snap.Resources = []store.Resource{f.secret("TOKEN", 1, "hunter2-value"), f.secret("OLD", 1, "deleted-value")}
	f.publish()
	c := f.cache(0)
	ch := changed(t, c)
	sealed, err := c.Seal("default", []byte("a result"), "run/1")
	if err != nil {
		t.Fatal(err)
	}
	wrapped := f.snap.Projects[0].DataKey
	version := int64(1)
	next := func(change Change) {
		t.Helper()
		version++
		change.Version = version
		if err := PublishChange(ctx, rdb, change); err != nil {
			t.Fatal(err)
		}
		await(t, ch, c, version)
	}
	project := func(by func(context.Context, string, []byte) ([]byte, error)) Change {
		t.Helper()
		if wrapped, err = by(ctx, "default", wrapped); err != nil {
			t.Fatal(err)
		}
		return Change{Projects: []store.Project{{Name: "default", DataKey: wrapped, Settings: json.RawMessage(`{}`)}}}
	}
	rewrap := func(ctx context.Context, name string, wrapped []byte) ([]byte, error) {
		out, _, err := f.keys.Rewrap(ctx, name, wrapped)
		return out, err
	}
	gone := f.secret("OLD", 2, "deleted-value")
	gone.Deleted = true
	for _, step := range []struct {
		name   string
		change Change
		value  string
	}{
		{"a new value", Change{Resources: []store.Resource{f.secret("TOKEN", 2, "second-value"), gone}}, "second-value"},
		{"the master key", project(rewrap), "second-value"},
		{"a data key added", project(f.keys.AddDataKey), "second-value"},
		{"a data key that seals", project(f.keys.PromoteDataKey), "second-value"},
	} {
		next(step.change)
		p := c.Project("default")
		if v, ok := p.Secret("TOKEN"); !ok || v != step.value {
			t.Errorf("%s: the secret is %q, %t", step.name, v, ok)
		}
		if _, ok := p.Secret("OLD"); ok {
			t.Errorf("%s: a deleted secret is there", step.name)
		}
		if got := p.Redactor().String("hunter2-value second-value deleted-value"); got != "*** *** ***" {
			t.Errorf("%s: redacted to %q", step.name, got)
		}
		if plain, err := c.Open("default", sealed, "run/1"); err != nil || string(plain) != "a result" {
			t.Errorf("%s: what was sealed before: %q, %v", step.name, plain, err)
		}
	}
}

// A process that lacks the master key of a rotation goes on with what it has,
// and one that could open nothing does once the key is one of its own.
func TestKeysThatAProcessLacks(t *testing.T) {
	rdb := client(t, miniredis.RunT(t).Addr())
	f := newFixture(t, rdb)
	ctx := context.Background()
	f.snap.Resources = []store.Resource{f.secret("TOKEN", 1, "hunter2-value")}
	f.publish()
	old := f.cache(0)
	f.keys = seal.NewKeyring(master(t, 2))
	blind := f.cache(0)
	sawOld, sawBlind := changed(t, old), changed(t, blind)
	if _, ok := blind.Project("default").Secret("TOKEN"); ok {
		t.Fatal("opened without its master key")
	}
	wrapped, _, err := seal.NewKeyring(master(t, 2), master(t, 1)).Rewrap(ctx, "default", f.snap.Projects[0].DataKey)
	if err != nil {
		t.Fatal(err)
	}
	err = PublishChange(ctx, rdb, Change{Version: 2, Projects: []store.Project{{Name: "default", DataKey: wrapped, Settings: json.RawMessage(`{}`)}}})
	if err != nil {
		t.Fatal(err)
	}
	await(t, sawOld, old, 2)
	await(t, sawBlind, blind, 2)
	for name, c := range map[string]*Cache{"that has the key of before": old, "that has the new key": blind} {
		if v, ok := c.Project("default").Secret("TOKEN"); !ok || v != "hunter2-value" {
			t.Errorf("a process %s: %q, %t", name, v, ok)
		}
		if _, err := c.Seal("default", []byte("x"), "run/1"); err != nil {
			t.Errorf("a process %s: %v", name, err)
		}
	}
}
