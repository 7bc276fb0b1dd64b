package queue

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestParseAddress(t *testing.T) {
	tests := []struct {
		in       string
		mode     mode
		hosts    []string
		user, pw string
		db       int
		master   string
		tls      bool
	}{
		{in: "redis://localhost", hosts: []string{"localhost:6379"}},
		{in: "localhost:1", hosts: []string{"localhost:1"}},
		{in: "redis://u:p%40:w@h:7/3", hosts: []string{"h:7"}, user: "u", pw: "p@:w", db: 3},
		{in: "rediss://:pw@h", hosts: []string{"h:6379"}, pw: "pw", tls: true},
		{in: "redis://[::1]:7", hosts: []string{"[::1]:7"}},
		{in: "redis://:7", hosts: []string{"127.0.0.1:7"}},
		{in: "redis://a:1,b:2,c", mode: modeCluster, hosts: []string{"a:1", "b:2", "c:6379"}},
		{in: "redis://u:p@a:1,redis://b:2/", mode: modeCluster, hosts: []string{"a:1", "b:2"}, user: "u", pw: "p"},
		{in: "redis+cluster://a", mode: modeCluster, hosts: []string{"a:6379"}},
		{in: "redis+sentinel://s1,s2:5/2?master=m", mode: modeSentinel, hosts: []string{"s1:26379", "s2:5"}, db: 2, master: "m"},
		{in: "rediss+sentinel://:x@s1?master=m", mode: modeSentinel, hosts: []string{"s1:26379"}, pw: "x", master: "m", tls: true},
		{in: "unix:///run/redis.sock?db=1", hosts: []string{"/run/redis.sock"}, db: 1},
	}
	for _, tt := range tests {
		a, err := parseAddress(tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if a.mode != tt.mode || !slices.Equal(a.hosts, tt.hosts) || a.user != tt.user || a.password != tt.pw ||
			a.db != tt.db || a.master != tt.master || (a.tls != nil) != tt.tls {
			t.Errorf("%s: %+v", tt.in, a)
		}
	}
}

func TestBadAddress(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "empty",
		"http://h":                   "scheme",
		"redis://h:0":                "port",
		"redis://h:x":                "port",
		"redis://h/x":                "database",
		"redis://h?x=1":              "parameter",
		"redis+sentinel://h":         "?master=",
		"redis://a,b/1":              "database 0",
		"redis://user:sec%ret@h":     "percent-encode",
		"unix://":                    "unix:///",
		"redis://user:secret@h:port": "port",
	} {
		_, err := NewRedis(in, RedisOptions{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", in, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sec%ret")) {
			t.Errorf("%q: the error shows the password: %v", in, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("redis://u:p@h:1,b/2?master=m")
	f.Add("redis+sentinel://[::1],x?master=m&sentinel_password=p")
	f.Add("unix:///x?db=9")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAddress(s)
		if err == nil && len(a.hosts) == 0 {
			t.Errorf("%q: no host and no error", s)
		}
	})
}

// TestNewRedis shows that each kind of client is made with the limits that the
// queue relies on.
func TestNewRedis(t *testing.T) {
	single, err := NewRedis("redis://h/2", RedisOptions{PoolSize: 5, Name: "n"})
	if err != nil {
		t.Fatal(err)
	}
	defer single.Close()
	o := single.(*redis.Client).Options()
	// go-redis keeps "no retries" as 0 once it has read -1.
	if o.MaxRetries > 0 || o.PoolSize != 5 || o.DB != 2 || o.ClientName != "n" || !o.ContextTimeoutEnabled {
		t.Errorf("single: %+v", o)
	}
	cluster, err := NewRedis("redis://a,b", RedisOptions{PoolSize: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	if o := cluster.(*redis.ClusterClient).Options(); o.PoolSize != 5 || o.MaxRetries > 0 {
		t.Errorf("cluster: %+v", o)
	}
	sentinel, err := NewRedis("redis+sentinel://a?master=m", RedisOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer sentinel.Close()
	if o := sentinel.(*redis.Client).Options(); o.MaxRetries > 0 {
		t.Errorf("sentinel: %+v", o)
	}
}

type replyError string

func (e replyError) Error() string { return string(e) }
func (e replyError) RedisError()   {}

func TestErrorKinds(t *testing.T) {
	for err, want := range map[error]errorKind{
		io.EOF:                        kindAway,
		errors.New("dial: refused"):   kindAway,
		replyError("LOADING x"):       kindAway,
		replyError("READONLY x"):      kindAway,
		replyError("NOSCRIPT x"):      kindNoScript,
		replyError("OOM command not"): kindFinal,
		replyError("ERR wrong"):       kindFinal,
	} {
		if got := kindOf(err); got != want {
			t.Errorf("%v: kind %d, want %d", err, got, want)
		}
	}
}
