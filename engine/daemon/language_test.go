package daemon_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-oauth2/oauth2/v4/server"

	"paragon/schema"
	"paragon/schema/api"
)

// answers applies a workflow whose steps are given, and compares its output.
func (d *dev) answers(name, steps, input, want string) {
	d.t.Helper()
	d.apply(name, steps)
	d.succeed(name, input, want)
}

func TestRequestsEndToEnd(t *testing.T) {
	d := startDev(t, t.TempDir())
	t.Run("bodies", func(t *testing.T) {
		d.t = t
		d.answers("bodies", `
steps:
  - {id: json, request: {method: POST, url: FAR/anything, query: {q: [1, "${{ input.a }}"]}, headers: {X-Kind: "${{ input.a }}"}, body: {a: "${{ input.a }}", n: [1, null]}}}
  - {id: form, request: {method: POST, url: FAR/anything, form: {a: "${{ input.a }}", b: [1, 2]}}}
  - {id: multi, request: {method: POST, url: FAR/anything, multipart: [{name: a, value: "${{ input.a }}"}, {name: f, value: aGVsbG8=, base64: true, filename: h.txt, contentType: text/plain}]}}
  - {id: raw, request: {method: PUT, url: FAR/anything, raw: "<a>${{ input.a }}</a>", headers: {Content-Type: application/xml}}}
output:
  json: "${{ steps.json.body.json }}"
  q: "${{ steps.json.body.args.q }}"
  kind: "${{ steps.json.body.headers['X-Kind'] }}"
  form: "${{ steps.form.body.form }}"
  multi: ["${{ steps.multi.body.form.a }}", "${{ steps.multi.body.files.f }}"]
  raw: ["${{ steps.raw.body.method }}", "${{ steps.raw.body.data }}"]
`, `{"a": "x & y"}`, `{"form":{"a":["x \u0026 y"],"b":["1","2"]},"json":{"a":"x \u0026 y","n":[1,null]},"kind":["x \u0026 y"],"multi":[["x \u0026 y"],["hello"]],"q":["1","x \u0026 y"],"raw":["PUT","data:application/xml;base64,PGE-eCAmIHk8L2E-"]}`)
	})
	t.Run("responses and redirects", func(t *testing.T) {
		d.t = t
		d.answers("responses", `
steps:
  - {id: json, request: {url: FAR/json}}
  - {id: text, request: {url: FAR/encoding/utf8, response: text}}
  - {id: bytes, request: {url: "FAR/bytes/16?seed=1", response: bytes}}
  - {id: none, request: {url: FAR/json, response: none}}
  - {id: followed, request: {url: FAR/redirect/3}}
  - {id: redirect, request: {url: FAR/redirect/1, followRedirects: 0}}
  - {id: accepted, request: {url: FAR/status/404, accept: [404]}}
  - {id: refused, onError: continue, request: {url: FAR/status/403, accept: [404]}}
output:
  json: "${{ steps.json.body.slideshow != nil }}"
  text: "${{ steps.text.body contains 'UTF-8' ? 'text' : '' }}"
  bytes: "${{ len(fromBase64(steps.bytes.body)) > 0 }}"
  none: "${{ steps.none.body }}"
  followed: ["${{ steps.followed.status }}", "${{ steps.followed.body.url endsWith '/get' }}"]
  redirect: ["${{ steps.redirect.status }}", "${{ steps.redirect.headers.location }}"]
  accepted: "${{ steps.accepted.status }}"
  refused: "${{ steps.refused.error.status }}"
`, `null`, `{"accepted":404,"bytes":true,"followed":[200,true],"json":true,"none":null,"redirect":[302,"/get"],"refused":403,"text":"text"}`)
	})
	t.Run("files in and out", func(t *testing.T) {
		d.t = t
		d.answers("files", strings.ReplaceAll(`
steps:
  - {id: get, request: {url: FILES/file, response: bytes}}
  - id: put
    request:
      method: POST
      url: FILES/upload
      multipart:
        - {name: note, value: "of ${{ run.workflow ?? workflow.name }}"}
        - {name: file, value: "${{ steps.get.body }}", base64: true, filename: a.bin, contentType: image/x-test}
output: "${{ steps.put.body }}"
`, "FILES", files(t)), `null`, `{"name":"a.bin","note":"of files","same":true,"type":"image/x-test"}`)
	})
	t.Run("pagination", func(t *testing.T) {
		d.t = t
		retry := "retry: {initialInterval: 1ms, jitter: none}"
		d.answers("paging", strings.ReplaceAll(`
defaults: {`+retry+`}
steps:
  - {id: number, request: {url: PAGES/number, pagination: {items: response.body.items, nextPage: {page: "${{ page + 1 }}"}, until: page >= response.body.pages}}}
  - {id: cursor, request: {url: PAGES/cursor, pagination: {items: response.body.items, nextPage: "${{ response.body.next == nil ? nil : {after: response.body.next} }}"}}}
  - {id: link, request: {url: PAGES/link, pagination: {items: response.body, nextPage: link}}}
  - {id: limit, request: {url: PAGES/cursor, pagination: {items: response.body.items, nextPage: "${{ {after: response.body.next} }}", maxPages: 1}}}
  - {id: partial, request: {url: PAGES/broken, pagination: {items: response.body.items, nextPage: {page: "${{ page + 1 }}"}, onError: partial}}}
  - {id: failed, onError: continue, request: {url: PAGES/broken, pagination: {items: response.body.items, nextPage: {page: "${{ page + 1 }}"}}}}
output:
  - "${{ [len(steps.number.body.items), last(steps.number.body.items), steps.number.body.pages] }}"
  - "${{ [len(steps.cursor.body.items), last(steps.cursor.body.items), steps.cursor.body.pages] }}"
  - "${{ [len(steps.link.body.items), last(steps.link.body.items), steps.link.body.pages] }}"
  - "${{ len(steps.limit.body.items) }}"
  - "${{ [len(steps.partial.body.items), steps.partial.body.pages, steps.partial.error.status] }}"
  - "${{ steps.failed.error.status }}"
`, "PAGES", pages(t)), `null`, `[[25,24,3],[25,24,3],[25,24,3],10,[20,2,403],403]`)
	})
}

func TestAuthenticationEndToEnd(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.secret("PASSWORD", "pass word")
	d.secret("BEARER", "a.bearer-token")
	d.secret("CLIENT", "a-client-secret")
	d.answers("plain", `
steps:
  - {id: basic, request: {url: "FAR/basic-auth/bob/pass%20word", auth: {basic: {username: bob, password: "${{ secrets.PASSWORD }}"}}}}
  - {id: bearer, request: {url: FAR/bearer, auth: {bearer: {token: "${{ secrets.BEARER }}"}}}}
  - {id: wrong, onError: continue, request: {url: "FAR/basic-auth/bob/other", auth: {basic: {username: bob, password: "${{ secrets.PASSWORD }}"}}}}
output: ["${{ steps.basic.body.authenticated }}", "${{ steps.bearer.body.authenticated }}", "${{ steps.wrong.error.status }}"]
`, `null`, `[true,true,401]`)
	// A real server takes the client's name in the header, or in the body.
	for name, client := range map[string]server.ClientInfoHandler{"header": server.ClientBasicHandler, "body": server.ClientFormHandler} {
		t.Run(name, func(t *testing.T) {
			d.t = t
			url, tokens := oauth(t, "the-client", "a-client-secret", client)
			d.apply(name, strings.ReplaceAll(`
steps:
  - {id: oauth, request: {url: OAUTH/api, auth: {oauth2: {tokenUrl: OAUTH/token, clientId: the-client, clientSecret: "${{ secrets.CLIENT }}", scopes: [read, write]}}}}
  - {id: wrong, onError: continue, request: {url: OAUTH/api, auth: {oauth2: {tokenUrl: OAUTH/token, clientId: the-client, clientSecret: other}}}}
output: ["${{ steps.oauth.body }}", "${{ steps.wrong.error.status }}"]
`, "OAUTH", url))
			want := `[{"client":"the-client","scope":"read write"},401]`
			d.succeed(name, `null`, want)
			d.succeed(name, `null`, want)
			if n := tokens.revoke(); n != 1 {
				t.Errorf("%d tokens were fetched for two runs, want 1", n)
			}
			// A token that the API refuses is replaced.
			d.succeed(name, `null`, want)
			if n := tokens.revoke(); n != 2 {
				t.Errorf("%d tokens, want 2", n)
			}
		})
	}
}

func (d *dev) secret(name, value string) {
	d.t.Helper()
	content := fmt.Sprintf("apiVersion: paragon/v1\nkind: Secret\nmetadata: {name: %s}\nspec: {value: %q}\n", name, value)
	if _, err := d.Apply(d.t.Context(), api.ApplyRequest{Files: []api.File{{Name: name + ".yaml", Content: content}}}, api.ApplyOptions{}); err != nil {
		d.t.Fatal(err)
	}
}

// Hostile functions end at their limits while another run keeps its pace.
func TestHostileFunctionsBesideOthers(t *testing.T) {
	d := startDev(t, t.TempDir())
	for i, source := range []string{
		"while (true) {}",
		"return 'a'.repeat(4e6).indexOf('a'.repeat(2e6) + 'b')",
		"const a = []; while (true) a.push('x'.repeat(1e5) + a.length)",
		"const f = () => f() + 1; return f()",
		"return /^(a+)+$/.test('a'.repeat(60) + 'b')",
	} {
		d.apply(fmt.Sprintf("hostile%d", i), "\nsteps:\n  - {id: fn, timeout: 400ms, onError: continue, function: {source: \""+source+"\"}}\n  - {id: out, respond: {body: \"${{ steps.fn.error.type }}\"}}\n")
	}
	d.apply("brave", "\nsteps:\n  - {id: a, set: {n: 1}}\n  - {id: out, respond: {body: \"${{ steps.a.n }}\"}}\n")
	d.apply("calm", "\nsteps:\n  - {id: fn, function: {source: return 2}}\n  - {id: out, respond: {body: \"${{ steps.fn }}\"}}\n")
	d.succeed("brave", `null`, `1`)
	var hostile []string
	for i := range 5 {
		hostile = append(hostile, d.trigger(fmt.Sprintf("hostile%d", i), `null`))
	}
	slowest := time.Duration(0)
	for range 20 {
		began := time.Now()
		d.succeed("brave", `null`, `1`)
		slowest = max(slowest, time.Since(began))
	}
	if slowest > 2*time.Second {
		t.Errorf("a run beside them took %s", slowest)
	}
	for i, id := range hostile {
		run := d.wait(id)
		if run.Status != schema.RunSucceeded || string(run.Output) != `"timeout"` && string(run.Output) != `"function"` {
			t.Errorf("hostile %d: %s %s %+v", i, run.Status, run.Output, run.Error)
		}
	}
	d.succeed("calm", `null`, `2`)
}

func TestTriggersEndToEnd(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.secret("HOOK", "hook-secret-value")
	d.apply("hooked", `
triggers:
  - id: hook
    webhook:
      auth: {hmac: {secret: HOOK, header: X-Signature, timestampHeader: X-Time, tolerance: 1m, prefix: "v1="}}
      headers: {required: [x-kind]}
      query: {properties: {n: {enum: ["1", "2"]}}}
      body: {type: object, required: [email], properties: {email: {type: string, format: email}}}
      respond: result
    input: {email: "${{ trigger.body.email }}", kind: "${{ trigger.headers['x-kind'] }}"}
steps:
  - {id: out, respond: {status: 201, headers: {X-Kind: "${{ input.kind }}"}, body: {hello: "${{ input.email }}"}}}
`)
	post := func(body, query, kind string, at time.Time, key string) (int, string, http.Header) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+d.Addr().String()+"/hooks/default/hooked/hook"+query, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		stamp := strconv.FormatInt(at.Unix(), 10)
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(stamp + "." + body))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Time", stamp)
		req.Header.Set("X-Signature", "v1="+hex.EncodeToString(mac.Sum(nil)))
		if kind != "" {
			req.Header.Set("X-Kind", kind)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		said, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(said), res.Header
	}
	now, key := time.Now(), "hook-secret-value"
	if status, said, head := post(`{"email":"a@b.c"}`, "?n=1", "lead", now, key); status != 201 || said != `{"hello":"a@b.c"}` || head.Get("X-Kind") != "lead" {
		t.Errorf("%d %s %v", status, said, head)
	}
	for name, tc := range map[string]struct {
		body, query, kind string
		at                time.Time
		key               string
		status            int
	}{
		"wrong key":     {`{"email":"a@b.c"}`, "", "lead", now, "other", 401},
		"old":           {`{"email":"a@b.c"}`, "", "lead", now.Add(-2 * time.Minute), key, 401},
		"body schema":   {`{"email":"nobody"}`, "", "lead", now, key, 422},
		"header schema": {`{"email":"a@b.c"}`, "", "", now, key, 422},
		"query schema":  {`{"email":"a@b.c"}`, "?n=3", "lead", now, key, 422},
	} {
		if status, said, _ := post(tc.body, tc.query, tc.kind, tc.at, tc.key); status != tc.status || strings.Contains(said, key) {
			t.Errorf("%s: %d %s", name, status, said)
		}
	}

	d.apply("evented", `
triggers:
  - {id: created, event: {name: lead.created, if: event.data.score > 10}, input: {n: "${{ event.data.score }}"}}
steps:
  - {id: out, respond: {body: "${{ input.n }}"}}
`)
	for _, score := range []int{5, 11} {
		if _, err := d.SendEvent(t.Context(), api.EventRequest{Name: "lead.created", Data: json.RawMessage(fmt.Sprintf(`{"score":%d}`, score))}); err != nil {
			t.Fatal(err)
		}
	}
	if runs := d.runsOf("evented", 1); string(d.wait(runs[0].ID).Output) != "11" || len(runs) != 1 {
		t.Errorf("runs %+v", runs)
	}

	d.apply("ticking", `
triggers:
  - {id: tick, cron: {schedule: "* * * * * *"}, input: {at: "${{ trigger.time }}"}}
steps:
  - {id: out, respond: {body: "${{ input.at }}"}}
`)
	seen := map[string]bool{}
	for _, run := range d.runsOf("ticking", 3) {
		at := string(d.wait(run.ID).Output)
		if seen[at] {
			t.Errorf("%s was fired twice", at)
		}
		seen[at] = true
		if run.Trigger.Kind != "cron" || run.Trigger.ID != "tick" || !run.Trigger.Time.Equal(run.Trigger.Time.Truncate(time.Second)) {
			t.Errorf("%+v", run.Trigger)
		}
	}
}

// runsOf waits until a workflow has so many runs.
func (d *dev) runsOf(workflow string, n int) []schema.Run {
	d.t.Helper()
	var runs []schema.Run
	soon(d.t, fmt.Sprintf("%d runs of %s", n, workflow), func() bool {
		list, err := d.Runs(d.t.Context(), api.RunsQuery{Workflow: workflow})
		if err != nil {
			d.t.Fatal(err)
		}
		runs = list.Items
		return len(runs) >= n
	})
	return runs
}

// A secret can be used, and is nowhere to be seen: not in what the API shows, not
// on the disk, not in Redis.
func TestSecretsStayInside(t *testing.T) {
	dir := t.TempDir()
	d := startDev(t, dir)
	const value = "s3cr3t/of+the house"
	d.secret("TOKEN", value)
	d.apply("secretive", `
steps:
  - {id: echo, request: {method: POST, url: FAR/anything, headers: {X-Token: "${{ secrets.TOKEN }}"}, body: {token: "${{ secrets.TOKEN }}"}}}
  - {id: kept, set: {both: "token ${{ secrets.TOKEN }}", encoded: "${{ toBase64(secrets.TOKEN) }}"}}
  - {id: wait, waitFor: {event: go.on, timeout: 1m}}
  - {id: same, set: {usable: "${{ steps.kept.both == 'token ' + secrets.TOKEN && steps.echo.body.json.token == secrets.TOKEN }}"}}
  - {id: soft, onError: continue, fail: {message: "with ${{ secrets.TOKEN }}"}}
  - {id: url, onError: continue, request: {url: "http://127.0.0.1:1/${{ secrets.TOKEN }}"}}
  - {id: out, respond: {body: {usable: "${{ steps.same.usable }}", token: "${{ steps.kept.both }}"}}}
`)
	id := d.trigger("secretive", `null`)
	d.until(id, schema.RunWaiting)
	// The checkpoint of a run that waits is sealed.
	d.hidden(value, d.redisText())
	if _, err := d.SendEvent(t.Context(), api.EventRequest{Name: "go.on"}); err != nil {
		t.Fatal(err)
	}
	run := d.wait(id)
	if run.Status != schema.RunSucceeded || string(run.Output) != `{"token":"token ***","usable":true}` {
		t.Errorf("%s %s %+v", run.Status, run.Output, run.Error)
	}
	var steps []schema.StepRecord
	soon(t, "the steps are written", func() bool {
		var err error
		if steps, err = d.Steps(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		return len(steps) == 7
	})
	shown, err := json.Marshal([]any{steps, run})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(shown, []byte("***")) {
		t.Errorf("nothing is redacted: %s", shown)
	}
	d.hidden(value, string(shown))
	d.hidden(value, d.redisText())
	d.stop()
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		d.hidden(value, string(data))
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// hidden checks that a secret is not in a text, however it is written there.
func (d *dev) hidden(value, text string) {
	d.t.Helper()
	quoted, _ := json.Marshal(value) // a text can be marshalled
	for _, form := range []string{value, strings.Trim(string(quoted), `"`), "czNjcjN0L29mK3RoZSBob3VzZQ", "s3cr3t%2Fof%2Bthe"} {
		if i := strings.Index(text, form); i >= 0 {
			d.t.Errorf("the secret is shown as %q: …%q…", form, text[max(0, i-60):min(len(text), i+60)])
		}
	}
}

// redisText is all that Redis holds.
func (d *dev) redisText() string {
	d.t.Helper()
	var b strings.Builder
	ctx, cancel := context.WithTimeout(d.t.Context(), 10*time.Second)
	defer cancel()
	rdb := d.Redis()
	keys, err := rdb.Keys(ctx, "*").Result()
	if err != nil {
		d.t.Fatal(err)
	}
	for _, key := range keys {
		var v any
		switch kind := rdb.Type(ctx, key).Val(); kind {
		case "string":
			v = rdb.Get(ctx, key).Val()
		case "hash":
			v = rdb.HGetAll(ctx, key).Val()
		case "list":
			v = rdb.LRange(ctx, key, 0, -1).Val()
		case "set":
			v = rdb.SMembers(ctx, key).Val()
		case "zset":
			v = rdb.ZRange(ctx, key, 0, -1).Val()
		case "stream":
			v = rdb.XRange(ctx, key, "-", "+").Val()
		}
		fmt.Fprintln(&b, key, v)
	}
	return b.String()
}

// The keys that every workflow and every step has.
func TestCommonKeysEndToEnd(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.answers("keys", `
description: what every step has
defaults: {timeout: 5s, retry: {maxAttempts: 3, initialInterval: 1ms, jitter: none}}
input: {type: object, required: [n], properties: {n: {type: integer}}}
outputSchema: {type: object, required: [skipped, n], properties: {n: {type: integer}}}
steps:
  - {id: skipped, description: not run, if: input.n > 5, set: {a: 1}}
  - {id: flaky, onError: continue, request: {url: FAR/status/503}}
  - {id: once, onError: continue, retry: {maxAttempts: 1}, request: {url: FAR/status/503}}
  - {id: other, onError: continue, retry: {retryOn: [429]}, request: {url: FAR/status/503}}
  - {id: slow, onError: continue, timeout: 50ms, retry: {maxAttempts: 1}, request: {url: FAR/delay/5}}
output: {skipped: "${{ steps.skipped }}", n: "${{ input.n }}", slow: "${{ steps.slow.error.type }}"}
`, `{"n": 4}`, `{"n":4,"skipped":null,"slow":"timeout"}`)
	id := d.runsOf("keys", 1)[0].ID
	attempts := map[string]int{}
	soon(t, "all attempts are written", func() bool {
		steps, err := d.Steps(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range steps {
			attempts[s.Step] = s.Attempt
		}
		return len(steps) == 5
	})
	if got := fmt.Sprint(attempts); got != "map[flaky:3 once:1 other:1 skipped:0 slow:1]" {
		t.Errorf("attempts %s", got)
	}
	if _, err := d.Trigger(t.Context(), "keys", api.TriggerRequest{Input: json.RawMessage(`{"n": "x"}`)}, 0); err == nil || !strings.Contains(err.Error(), "n") {
		t.Errorf("an input of the wrong type: %v", err)
	}

	d.apply("broken-output", "\noutputSchema: {type: string}\noutput: \"${{ 1 }}\"\nsteps:\n  - {id: a, set: {b: 1}}\n")
	if run := d.wait(d.trigger("broken-output", `null`)); run.Status != schema.RunFailed || run.Error == nil || run.Error.Type != "output" {
		t.Errorf("output of the wrong type: %s %+v", run.Status, run.Error)
	}

	d.apply("failing", `
steps:
  - {id: first, set: {n: 1}}
  - {id: stop, fail: {message: "no more than ${{ steps.first.n }}"}}
onFailure:
  - {id: tell, emit: {event: run.failed, data: {run: "${{ run.id }}", n: "${{ steps.first.n }}", why: "${{ run.error.message }}"}}}
`)
	d.apply("told", `
triggers: [{id: failed, event: {name: run.failed}}]
output: "${{ input }}"
steps: [{id: a, set: {b: 1}}]
`)
	run := d.wait(d.trigger("failing", `null`))
	if run.Status != schema.RunFailed || run.Error == nil || run.Error.Message != "no more than 1" {
		t.Errorf("%s %+v", run.Status, run.Error)
	}
	want := fmt.Sprintf(`{"n":1,"run":%q,"why":"no more than 1"}`, run.ID)
	if got := string(d.wait(d.runsOf("told", 1)[0].ID).Output); got != want {
		t.Errorf("onFailure told %s, want %s", got, want)
	}
}
