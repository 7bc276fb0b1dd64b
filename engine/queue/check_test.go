package queue

import (
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"paragon/engine/servicetest"
)

func TestCheck(t *testing.T) {
	good := connect(t, servicetest.Redis(t))
	if fs, err := Check(within(t, patience), good); err != nil || len(fs) != 0 {
		t.Errorf("a good Redis: %v, %v", fs, err)
	}
	bad := servicetest.StartRedis(t, servicetest.RedisOptions{
		Volatile: true, Args: []string{"--maxmemory-policy", "allkeys-lru"},
	})
	fs, err := Check(within(t, patience), connect(t, bad.Addr))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range fs {
		all = append(all, f.String())
		if f.Unknown {
			t.Errorf("%+v", f)
		}
	}
	text := strings.Join(all, "\n")
	want := `maxmemory-policy is "allkeys-lru". Redis may throw jobs away when memory runs short: set maxmemory-policy to noeviction.
appendonly is "no". Jobs are lost when Redis restarts: set appendonly to yes.`
	if text != want {
		t.Errorf("findings:\n%s\nwant:\n%s", text, want)
	}
}

func TestCheckFsync(t *testing.T) {
	r := servicetest.StartRedis(t, servicetest.RedisOptions{Args: []string{"--appendfsync", "no"}})
	fs, err := Check(within(t, patience), connect(t, r.Addr))
	if err != nil || len(fs) != 1 || fs[0].Setting != "appendfsync" {
		t.Errorf("%v, %v", fs, err)
	}
}

// TestCheckUnknown uses a Redis that does not know CONFIG, as managed ones do.
func TestCheckUnknown(t *testing.T) {
	m := miniredis.RunT(t)
	fs, err := Check(within(t, patience), connect(t, m.Addr()))
	if err != nil || len(fs) == 0 {
		t.Fatalf("%v, %v", fs, err)
	}
	for _, f := range fs {
		if !f.Unknown {
			t.Errorf("%+v", f)
		}
	}
	if s := (Finding{Node: "h:1", Setting: "appendonly", Unknown: true, Advice: "A."}).String(); s != "h:1: appendonly can't be read. A." {
		t.Error(s)
	}
}

func TestCheckAway(t *testing.T) {
	if _, err := Check(within(t, patience), connect(t, "127.0.0.1:1")); err == nil {
		t.Error("no Redis, no error")
	}
}

func TestOlderThan(t *testing.T) {
	for v, want := range map[string]bool{"5.0.7": true, "6.0.16": true, "6.2.0": false, "7.0.15": false, "10.1": false, "unstable": false} {
		if got := olderThan(v, minVersion); got != want {
			t.Errorf("%s: %v", v, got)
		}
	}
}
