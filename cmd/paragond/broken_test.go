package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/queue"
	"paragon/engine/servicetest"
	"paragon/schema/api"
)

// relay passes connections to a server on, with another text in its answers:
// for what can't be broken on a real one. Both texts are as long.
func relay(t *testing.T, to, text, by string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { // ends with l
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = from.Close()
				continue
			}
			go func() { // ends with either connection
				_, _ = io.Copy(server, from)
				_ = server.Close()
			}()
			go func() {
				defer from.Close()
				buf := make([]byte, 256<<10) // an answer of INFO comes in one piece
				for {
					n, err := server.Read(buf)
					if n > 0 {
						if _, err := from.Write(bytes.ReplaceAll(buf[:n], []byte(text), []byte(by))); err != nil {
							return
						}
					}
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// installation is where the commands are pointed at.
type installation struct{ postgres, redis, listen, payloads string }

// Whatever is wrong, doctor's check says so with what to do and exits with 1,
// and serve does not start: without what no role can work with, and with
// --strict without the rest.
func TestEachCheckFails(t *testing.T) {
	const goodKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	t.Setenv("PARAGON_MASTER_KEY", goodKey)
	server := servicetest.StartRedis(t, servicetest.RedisOptions{Args: []string{"--appendfsync", "everysec", "--maxmemory-policy", "noeviction"}})
	storage := servicetest.StartS3(t)
	t.Setenv("AWS_ACCESS_KEY_ID", storage.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", storage.SecretKey)
	good := installation{payloads: "s3://" + storage.Bucket + "?region=us-east-1&endpoint=http://" + storage.Endpoint,
		postgres: servicetest.Postgres(t), redis: "redis://" + server.Addr, listen: "127.0.0.1:0"}
	for _, args := range [][]string{{"migrate", "--postgres", good.postgres}, {"bootstrap", "--postgres", good.postgres, "--redis", good.redis}} {
		if out, code := runCommand(t, t.Context(), args...); code != 0 {
			t.Fatalf("%v: exit %d, %q", args, code, out)
		}
	}
	rdb, err := queue.NewRedis(good.redis, queue.RedisOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	set := func(name, bad, well string) func(*installation) func() {
		one := func(value string) {
			if err := rdb.ConfigSet(t.Context(), name, value).Err(); err != nil {
				t.Fatal(err)
			}
		}
		return func(*installation) func() {
			one(bad)
			return func() { one(well) }
		}
	}
	answers := func(text, by string) func(*installation) func() {
		return func(i *installation) func() {
			i.redis = "redis://" + relay(t, server.Addr, text, by)
			return func() {}
		}
	}
	sql := func(do, undo string) func(*installation) func() {
		one := func(text string) {
			conn, err := pgx.Connect(t.Context(), good.postgres)
			if err == nil {
				_, err = conn.Exec(t.Context(), text)
				_ = conn.Close(t.Context())
			}
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		return func(*installation) func() {
			one(do)
			return func() { one(undo) }
		}
	}
	// shadow puts a function of the database in front of one of Postgres'.
	shadow := func(function, body string) func(*installation) func() {
		return sql(`CREATE FUNCTION public.`+function+` LANGUAGE sql AS $$ `+body+` $$;
			DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$`,
			`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET search_path', current_database()); END $$;
			DROP FUNCTION public.`+strings.Split(function, " RETURNS")[0])
	}
	env := func(name, value string) func(*installation) func() {
		return func(*installation) func() {
			was := os.Getenv(name)
			t.Setenv(name, value)
			return func() { t.Setenv(name, was) }
		}
	}
	ask := func(t *testing.T, at installation) (map[string]api.Check, int) {
		t.Helper()
		out, code := runCommand(t, t.Context(), "doctor", "--postgres", at.postgres, "--redis", at.redis, "--listen", at.listen, "--payloads", at.payloads, "-o", "json")
		var answer struct{ Items []api.Check }
		if err := json.NewDecoder(strings.NewReader(out)).Decode(&answer); err != nil {
			t.Fatalf("exit %d: %v\n%s", code, err, out)
		}
		checks := map[string]api.Check{}
		for _, c := range answer.Items {
			checks[c.Name] = c
		}
		return checks, code
	}
	if checks, code := ask(t, good); code != 0 || len(checks) != 13 {
		t.Fatalf("a good installation: exit %d, %+v", code, checks)
	}
	const vital = true
	for _, tt := range []struct {
		what, check, advice string
		vital               bool
		breaks              func(*installation) (mend func())
	}{
		{"Redis is stopped", "redis", "See that Redis runs", vital, func(i *installation) func() { i.redis = "redis://127.0.0.1:1"; return func() {} }},
		{"Redis is loading", "redis", "See that Redis runs", vital, answers("+PONG\r\n", "-LOADING Redis is loading the dataset in memory\r\n")},
		{"Redis is a replica", "redis role", "give the address of the primary", vital, func(*installation) func() {
			if err := rdb.SlaveOf(t.Context(), "127.0.0.1", "1").Err(); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := rdb.SlaveOf(t.Context(), "NO", "ONE").Err(); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"Redis evicts", "redis memory", "set maxmemory-policy to noeviction", false, set("maxmemory-policy", "allkeys-lru", "noeviction")},
		{"Redis is full", "redis memory", "raise maxmemory", false, set("maxmemory", "1000000", "0")},
		{"Redis keeps no file", "redis persistence", "set appendonly to yes", false, set("appendonly", "no", "yes")},
		{"Redis writes its file late", "redis persistence", "set appendfsync to everysec or always", false, set("appendfsync", "no", "everysec")},
		{"Redis' disk is full", "redis persistence", "see whether its disk is full", false, answers("aof_last_write_status:ok", "aof_last_write_status:no")},
		{"Redis is old", "redis version", "use Redis 6.2 or newer", false, answers("redis_version:7", "redis_version:5")},
		{"Redis' clock is late", "redis clock", "Let NTP", false, answers("\r\n$10\r\n1", "\r\n$10\r\n0")},
		{"Postgres is stopped", "postgres", "See that Postgres runs", vital, func(i *installation) func() {
			i.postgres = "postgres://127.0.0.1:1/none?connect_timeout=2"
			return func() {}
		}},
		{"Postgres is old", "postgres version", "Use Postgres 15 or newer", false,
			shadow("current_setting(name text) RETURNS text", `SELECT CASE name WHEN 'server_version_num' THEN '140012' ELSE pg_catalog.current_setting(name) END`)},
		{"Postgres' clock is early", "postgres clock", "Let NTP", false,
			shadow("clock_timestamp() RETURNS timestamptz", `SELECT pg_catalog.clock_timestamp() + interval '5 seconds'`)},
		{"the schema is that of another release", "postgres schema", "paragond migrate", vital,
			sql(`UPDATE goose_db_version SET is_applied = false WHERE version_id = 1`, `UPDATE goose_db_version SET is_applied = true WHERE version_id = 1`)},
		{"the schema is newer", "postgres schema", "the release that migrated it", vital,
			sql(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)`, `DELETE FROM goose_db_version WHERE version_id = 9999`)},
		{"object storage is away", "object storage", "See that what --payloads names is there", false, func(*installation) func() {
			storage.Cut(true)
			return func() { storage.Cut(false) }
		}},
		{"there is no master key", "master key", "--master-key-file or PARAGON_MASTER_KEY", vital, env("PARAGON_MASTER_KEY", "")},
		{"the master key is no key", "master key", "--master-key-file or PARAGON_MASTER_KEY", vital, env("PARAGON_MASTER_KEY", "secret")},
		{"the master key is another one", "master key", "the key that the installation was begun with", vital, env("PARAGON_MASTER_KEY", "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=")},
	} {
		t.Run(tt.what, func(t *testing.T) {
			at := good
			mend := tt.breaks(&at)
			checks, code := ask(t, at)
			if c := checks[tt.check]; code != 1 || c.Status != api.CheckFailed || !strings.Contains(c.Found+" "+c.Advice, tt.advice) || c.Advice == "" {
				t.Errorf("doctor: exit %d, %+v; want 1, and failed with %q", code, c, tt.advice)
			}
			for name, c := range checks {
				if name != tt.check && c.Status == api.CheckFailed {
					t.Errorf("doctor: %+v failed, too", c)
				}
			}
			serve := []string{"serve", "--listen", at.listen, "--postgres", at.postgres, "--redis", at.redis, "--payloads", at.payloads}
			if !tt.vital {
				serve = append(serve, "--strict")
			}
			ctx, enough := context.WithTimeout(t.Context(), time.Minute)
			defer enough()
			if out, code := runCommand(t, ctx, serve...); code != 1 || !strings.Contains(out, tt.advice) {
				t.Errorf("%v: exit %d, %q; want 1 and %q", serve, code, out, tt.advice)
			}
			mend()
		})
	}
	if checks, code := ask(t, good); code != 0 {
		t.Errorf("all is mended: exit %d, %+v", code, checks)
	}

	// Without --strict what is not vital is a warning, in the words of doctor.
	set("maxmemory-policy", "allkeys-lru", "")(nil)
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second) // serve ends with it
	defer stop()
	if out, code := runCommand(t, ctx, "serve", "--listen", good.listen, "--postgres", good.postgres, "--redis", good.redis); code != 0 ||
		!strings.Contains(out, "level=WARN") || !strings.Contains(out, "set maxmemory-policy to noeviction") {
		t.Errorf("serve with a Redis that evicts: exit %d, %q", code, out)
	}
	if out, code := runCommand(t, t.Context(), "doctor", "--postgres", good.postgres, "--redis", good.redis, "--listen", good.listen); code != 1 ||
		!strings.Contains(out, "\nfailed   redis memory") || !strings.Contains(out, "\nok       redis persistence") || !strings.HasSuffix(out, "1 of 12 checks failed") {
		t.Errorf("doctor in text: exit %d, %q", code, out)
	}
	if _, code := runCommand(t, t.Context(), "doctor", "--redis", good.redis, "-o", "xml"); code != 2 {
		t.Errorf("a form that there is not: exit %d", code)
	}
}
