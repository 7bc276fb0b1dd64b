package main

import (
	"encoding/json"
	"net"
	"strings"
	"testing"

	"paragon/engine/queue"
	"paragon/engine/servicetest"
	"paragon/schema/api"
)

// doctor finds what is wrong with a new installation, says what to do, and is
// content once that is done.
func TestDoctor(t *testing.T) {
	postgres, redis := servicetest.Postgres(t), "redis://"+servicetest.Redis(t)
	t.Setenv("PARAGON_MASTER_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := busy.Addr().String()
	ask := func(code int) map[string]api.Check {
		t.Helper()
		out, got := runCommand(t, t.Context(), "doctor", "--postgres", postgres, "--redis", redis, "--listen", address, "-o", "json")
		var answer struct{ Items []api.Check }
		if err := json.NewDecoder(strings.NewReader(out)).Decode(&answer); err != nil || got != code {
			t.Fatalf("exit %d, want %d: %v\n%s", got, code, err, out)
		}
		checks := map[string]api.Check{}
		for _, c := range answer.Items {
			if (c.Status == api.CheckOK) != (c.Advice == "") || c.Found == "" {
				t.Errorf("says too little or too much: %+v", c)
			}
			checks[c.Name] = c
		}
		return checks
	}
	busy.Close()
	if c := ask(1); !strings.Contains(c["postgres schema"].Advice, "paragond migrate") || c["master key"].Status != api.CheckUnknown ||
		c["address"].Status != api.CheckOK || c["postgres clock"].Status != api.CheckOK || c["redis clock"].Status != api.CheckOK {
		t.Errorf("before migrate: %+v", c)
	}
	for _, args := range [][]string{{"migrate", "--postgres", postgres}, {"bootstrap", "--postgres", postgres, "--redis", redis}} {
		if out, code := runCommand(t, t.Context(), args...); code != 0 {
			t.Fatalf("%v: exit %d, %q", args, code, out)
		}
	}
	rdb, err := queue.NewRedis(redis, queue.RedisOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	set := func(name, value string) {
		t.Helper()
		if err := rdb.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set("appendonly", "yes")
	set("appendfsync", "everysec")
	set("maxmemory-policy", "allkeys-lru")
	if c := ask(1); c["redis memory"].Status != api.CheckFailed || !strings.Contains(c["redis memory"].Advice, "noeviction") {
		t.Errorf("a Redis that evicts: %+v", c)
	}
	set("maxmemory-policy", "noeviction")
	c := ask(0)
	for _, name := range []string{"postgres", "postgres version", "postgres schema", "redis", "redis version", "redis memory", "redis persistence", "master key", "address"} {
		if c[name].Status != api.CheckOK {
			t.Errorf("after migrate: %+v", c[name])
		}
	}
	t.Setenv("PARAGON_MASTER_KEY", "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=")
	if c := ask(1); c["master key"].Status != api.CheckFailed {
		t.Errorf("with another master key: %+v", c["master key"])
	}
	if busy, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	go func() { // a program that is not Paragon: it hangs up; ends with busy
		for {
			conn, err := busy.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	redis, postgres = "redis://127.0.0.1:1", "postgres://127.0.0.1:1/none?connect_timeout=2"
	c = ask(1)
	for _, name := range []string{"redis", "postgres", "address"} {
		if c[name].Status != api.CheckFailed {
			t.Errorf("with nothing there: %+v", c[name])
		}
	}
}
