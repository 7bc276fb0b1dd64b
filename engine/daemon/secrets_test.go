package daemon_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"paragon/engine/daemon"
	"paragon/engine/daemon/embedded"
	"paragon/engine/outbound"
	"paragon/engine/queue"
	"paragon/engine/seal"
	"paragon/engine/servicetest"
	"paragon/engine/store/postgres"
	"paragon/engine/tracing"
	"paragon/engine/tracing/tracingtest"
	"paragon/schema"
	"paragon/schema/api"
)

// control stands in a run's input, which is shown: each form of it must be
// found, or the search proves nothing.
const control = "c0ntr0l <v&lue>/of+the \"search\"?~"

// planted are the secrets, by name.
var planted = map[string]string{
	"TOKEN": "t0ken/of+the \"house\" <&>?~",
	"HOOK":  "h00k-key~of/the+door?",
}

// TestSecretsAreNowhere runs a whole installation on real servers, uses secrets
// wherever a workflow can, and then looks for them in all that it wrote.
func TestSecretsAreNowhere(t *testing.T) {
	var log lockedBuffer
	collector := tracingtest.Start(t)
	d, pool := startServed(t, &log, startTracer(t, collector))
	for name, value := range planted {
		d.secret(name, value)
	}
	d.bring()
	d.apply("told", `
triggers: [{id: told, event: {name: told}}]
output: "${{ input }}"
steps: [{id: seen, set: {data: "${{ input }}"}}]
`)
	d.apply("uses", `
durability: store
triggers:
  - {id: key, webhook: {auth: {apiKey: {secret: HOOK, query: key}}}, input: {query: "${{ trigger.query }}", form: []}}
  - {id: bearer, webhook: {auth: {bearer: {token: HOOK}}}, input: {headers: "${{ trigger.headers }}", form: []}}
  - {id: basic, webhook: {auth: {basic: {username: bob, password: HOOK}}}, input: {headers: "${{ trigger.headers }}", form: []}}
steps:
  - id: asks
    request:
      method: POST
      url: "FAR/anything/${{ urlEncode(secrets.TOKEN) }}"
      query: {q: "${{ secrets.TOKEN }}"}
      headers: {X-Token: "${{ toBase64(secrets.TOKEN) }}"}
      auth: {basic: {username: bob, password: "${{ secrets.TOKEN }}"}}
      body: {token: "${{ secrets.TOKEN }}"}
  - {id: brings, request: {integration: keyed, method: POST, path: /anything/keyed, body: {a: 1}}}
  - {id: consented, onError: continue, request: {integration: consented, path: /anything/consented}}
  - {id: kept, set: {plain: "a ${{ secrets.TOKEN }} b", base64: "${{ toBase64('x' + secrets.TOKEN) }}", url: "${{ toBase64URL('xy' + secrets.TOKEN) }}", hex: "${{ toHex(secrets.TOKEN) }}", escaped: "${{ urlEncode(secrets.TOKEN) }}", json: "${{ toJSON({'t': secrets.TOKEN}) }}"}}
  - {id: fn, function: {source: "return {again: steps.kept.plain, hex: steps.kept.hex}"}}
  - {id: logs, onError: continue, function: {source: "throw new Error(steps.kept.plain)"}}
  - {id: parked, waitFor: {event: go.on, timeout: 5m}}
  - {id: usable, set: {yes: "${{ steps.kept.plain == 'a ' + secrets.TOKEN + ' b' && steps.fn.hex == toHex(secrets.TOKEN) }}"}}
  - {id: tells, emit: {event: told, data: {token: "${{ secrets.TOKEN }}", hex: "${{ steps.kept.hex }}"}}}
  - {id: calls, onError: continue, call: {workflow: told, input: {kept: "${{ steps.kept }}"}}}
  - {id: names, call: {workflow: told, input: {name: TOKEN}}}
  - {id: refused, onError: continue, request: {url: "http://127.0.0.1:1/${{ secrets.TOKEN }}"}}
  - {id: out, respond: {body: {usable: "${{ steps.usable.yes }}", kept: "${{ steps.kept }}"}}}
  - {id: ends, if: "${{ !steps.usable.yes || input.fails == true }}", fail: {message: "with ${{ secrets.TOKEN }} and ${{ steps.kept.hex }}"}}
`)
	shown := append([]string{control}, formsOf(control)...)
	input, err := json.Marshal(map[string]any{"form": shown, "fails": true})
	if err != nil {
		t.Fatal(err)
	}
	runs := []string{d.trigger("uses", string(input)), d.trigger("uses", `{"form":[]}`)}
	runs = append(runs, d.hook("key?key="+url.QueryEscape(planted["HOOK"]), ""),
		d.hook("bearer", "Bearer "+planted["HOOK"]),
		d.hook("basic", "Basic "+base64.StdEncoding.EncodeToString([]byte("bob:"+planted["HOOK"]))))
	for _, id := range runs {
		d.until(id, schema.RunWaiting)
	}
	parked := d.redisText()
	d.findsNothing("Redis while runs wait", parked)
	d.finds("Redis while runs wait", parked)
	if _, err := d.SendEvent(t.Context(), api.EventRequest{Name: "go.on"}); err != nil {
		t.Fatal(err)
	}
	for i, id := range runs {
		run := d.wait(id)
		if want := i == 0; (run.Status == schema.RunFailed) != want || !strings.Contains(string(run.Output), `"usable":true`) && !want {
			t.Errorf("run %d: %s %s %+v", i, run.Status, run.Output, run.Error)
		}
		soon(t, "the steps are written", func() bool {
			steps, err := d.Steps(t.Context(), id)
			refused := slices.ContainsFunc(steps, func(s schema.StepRecord) bool {
				return s.Step == "calls" && s.Status == schema.StepFailed && strings.Contains(s.Error.Message, "use secrets.NAME itself")
			})
			return err == nil && len(steps) >= 14 && refused
		})
	}
	for _, run := range d.runsOf("told", 2*len(runs)) {
		d.wait(run.ID)
	}
	d.findsNothing("the API", d.everyAnswer(runs))
	d.finds("the API", d.everyAnswer(runs))
	d.findsNothing("Redis", d.redisText())
	d.stop() // what was logged is flushed
	text := tablesText(t, pool)
	d.findsNothing("Postgres", text)
	d.finds("Postgres", text)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("control", "form", shown)
	d.findsNothing("the log", log.String())
	d.finds("the log", log.String())
	soon(t, "spans of each request of a step are there", func() bool { return strings.Contains(collector.Text(), "step refused") })
	d.findsNothing("the traces", collector.Text())
}

// startServed starts all roles on a Postgres and a Redis of their own.
func startServed(t *testing.T, log io.Writer, tracer *tracing.Tracer, change ...func(*daemon.Options)) (*dev, *pgxpool.Pool) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	pgURL, server := servicetest.Postgres(t), servicetest.StartRedis(t, servicetest.RedisOptions{})
	pool, err := pgxpool.New(ctx, pgURL)
	must(err)
	t.Cleanup(pool.Close)
	db, err := postgres.Open(ctx, pgURL)
	must(err)
	t.Cleanup(func() { _ = db.Close() })
	must(db.Migrate(ctx))
	rdb, err := queue.NewRedis("redis://"+server.Addr, queue.RedisOptions{})
	must(err)
	t.Cleanup(func() { _ = rdb.Close() })
	keyring, err := seal.LoadKeyring(seal.Source{File: t.TempDir() + "/master.key", Generate: true})
	must(err)
	far, err := embedded.StartFarSide(ctx, "127.0.0.1:0")
	must(err)
	t.Cleanup(func() { _ = far.Close() })
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	must(err)
	opts := daemon.Options{
		Roles: daemon.AllRoles, Store: db, Redis: rdb, Keyring: keyring, Listener: ln,
		Outbound: outbound.Settings{AllowLoopback: true}, Tracer: tracer,
		Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&opts)
	}
	started, err := daemon.Start(ctx, opts)
	must(err)
	d := &dev{Dev: &daemon.Dev{Daemon: started, FarSide: far.URL()}, t: t}
	t.Cleanup(d.stop)
	d.Token, err = started.Bootstrap(ctx)
	d.Client = api.New("http://"+started.Addr().String(), d.Token)
	must(err)
	return d, pool
}

// hook posts to a webhook of the workflow uses and returns the run's ID.
func (d *dev) hook(path, authorization string) string {
	d.t.Helper()
	_, body, _ := strings.Cut(d.call(http.MethodPost, "/hooks/default/uses/"+path, authorization), "\n")
	var run struct{ ID string }
	if err := json.Unmarshal([]byte(body), &run); err != nil || run.ID == "" {
		d.t.Fatalf("webhook %s: %s", path, body)
	}
	return run.ID
}

// call returns an answer as it is, whatever its status: an error's text must
// not show a secret either.
func (d *dev) call(method, path, authorization string) string {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, "http://"+d.Addr().String()+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || method == http.MethodGet && res.StatusCode != http.StatusOK {
		d.t.Errorf("%s %s: %d %v %s", method, path, res.StatusCode, err, body)
	}
	return fmt.Sprint(res.Header, "\n", string(body), "\n")
}

// everyAnswer is what all that can be read says.
func (d *dev) everyAnswer(runs []string) string {
	paths := []string{"/metrics", "/readyz", "/v1/whoami"}
	below := []string{"runs", "workflows", "secrets", "workflows/uses", "workflows/uses/revisions", "workflows/uses/compare", "secrets/TOKEN",
		"secrets/TOKEN/revisions", "audit", "operations", "releases", "stats", "workers", "queues", "paused", "keys", "members", "settings",
		"users", "users/u_1", "users/u_1/credentials", "credentials", "user-keys", "integrations", "integrations/keyed"}
	for _, id := range runs {
		below = append(below, "runs/"+id, "runs/"+id+"/steps")
	}
	for _, p := range below {
		paths = append(paths, "/v1/projects/default/"+p)
	}
	var b strings.Builder
	for _, p := range paths {
		b.WriteString(p + "\n" + d.call(http.MethodGet, p, "Bearer "+d.Token))
	}
	return b.String()
}

// tablesText is each row of each table as text; bytes are there as they are, too.
func tablesText(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	defer cancel()
	column := func(sql string) []string {
		rows, err := pool.Query(ctx, sql)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var out []string
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			out = append(out, s)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return out
	}
	var b strings.Builder
	for _, table := range column("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')") {
		for _, row := range column("SELECT t::text FROM " + table + " t") {
			// A row's text doubles quotes and backslashes.
			plain := strings.NewReplacer(`""`, `"`, `\\`, `\`).Replace(row)
			b.WriteString(table + " " + row + "\n" + plain + "\n")
			for _, part := range strings.FieldsFunc(plain, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefx", r) }) {
				if raw, err := hex.DecodeString(strings.TrimPrefix(part, "x")); err == nil && len(raw) > 8 {
					b.Write(raw)
				}
			}
		}
	}
	return b.String()
}

// formsOf lists the forms in which a value is looked for besides its own.
func formsOf(value string) []string {
	var out []string
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			// Of a value amidst others, only these digits are its own.
			text := enc.EncodeToString(append(make([]byte, shift), value...))
			out = append(out, text[(shift*8+5)/6:(shift+len(value))*8/6])
		}
	}
	quoted, _ := json.Marshal(value) // a text can be marshalled
	return append(out, url.QueryEscape(value), url.PathEscape(value), strings.ReplaceAll(url.QueryEscape(value), "+", "%20"),
		strings.Trim(string(quoted), `"`), bare(string(quoted)), hex.EncodeToString([]byte(value)), strings.ToUpper(hex.EncodeToString([]byte(value))))
}

// bare is a JSON string without its quotes, for encoders that leave HTML alone.
func bare(quoted string) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(strings.Trim(quoted, `"`))
}

// findsNothing checks that no secret is in a text, in any form; of a place it
// says so once per form.
func (d *dev) findsNothing(where, text string) {
	d.t.Helper()
	broughtIsNowhere(d.t, where, text)
	for name, value := range planted {
		for _, form := range append([]string{value}, formsOf(value)...) {
			if i := strings.Index(text, form); i >= 0 {
				d.t.Errorf("%s shows %s as %q: …%q…", where, name, form, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
}

// finds checks that the search finds each form of what is shown: inside JSON, a
// form is JSON-escaped once more or not at all.
func (d *dev) finds(where, text string) {
	d.t.Helper()
	for _, form := range append([]string{control}, formsOf(control)...) {
		quoted, _ := json.Marshal(form) // a text can be marshalled
		if !strings.Contains(text, form) && !strings.Contains(text, strings.Trim(string(quoted), `"`)) && !strings.Contains(text, bare(string(quoted))) {
			d.t.Errorf("%s does not have the control as %q, so that finding no secret there means nothing", where, form)
		}
	}
}

// lockedBuffer is a buffer for many writers.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
