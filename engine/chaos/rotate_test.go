package chaos_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// sealedSteps take up a secret, park with a checkpoint that holds it, and send
// both that and what the secret is by then.
const (
	takeUp = "    - {id: a, request: {method: POST, url: FAR, headers: {X-Token: \"${{ secrets.TOKEN }}\"}, body: {n: \"${{ input.n }}\", run: \"${{ run.id }}\"}}}\n" +
		"    - {id: keep, set: {token: \"${{ secrets.TOKEN }}\"}}\n"
	giveBack = "    - {id: b, request: {method: POST, url: FAR, body: {n: \"${{ input.n }}\", run: \"${{ run.id }}\", kept: \"${{ steps.keep.token }}\", now: \"${{ secrets.TOKEN }}\"}}}\n"
)

var (
	// sealing rests for a moment with a sealed checkpoint, held does until it
	// is told a word.
	sealing = shapeOf("sealing", false, [][]string{{"a"}, {"b"}}, takeUp, "    - {id: pause, delay: {for: 700ms}}\n", giveBack)
	held    = shapeOf("held", false, [][]string{{"a"}, {"b"}}, takeUp,
		"    - {id: word, waitFor: {event: word, if: \"${{ event.data.n == input.n }}\", timeout: 15m}}\n", giveBack)
)

// tokenOf is the nth value of the secret.
func tokenOf(n int) string { return fmt.Sprintf("planted-token-%03d", n) }

// setToken gives the secret its nth value.
func (c *cluster) setToken(p *process, n int) {
	c.t.Helper()
	c.apply(p, "apiVersion: paragon/v1\nkind: Secret\nmetadata: {name: TOKEN}\nspec: {value: "+tokenOf(n)+"}\n")
}

// awaitToken waits until a run sends the nth value.
func (c *cluster) awaitToken(n int) {
	c.t.Helper()
	c.far.await(c.t, time.Minute, "a run sends "+tokenOf(n), func() bool {
		for _, o := range c.far.history() {
			if o.step() == "b" && strings.Contains(string(o.body), `"now":"`+tokenOf(n)+`"`) {
				return true
			}
		}
		return false
	})
}

// command runs paragond with the cluster's servers and master keys.
func (c *cluster) command(args ...string) {
	c.t.Helper()
	path, err := binary()
	c.must(err)
	said := c.output(path, append(args, "--postgres", c.pgURL, "--redis", "redis://"+c.redis.Addr, "--master-key-file", c.keyFile())...)
	c.t.Logf("paragond %s: %s", args[0], said)
}

// useKeys restarts the processes one after the other with other master keys.
func (c *cluster) useKeys(keys ...string) {
	c.t.Helper()
	c.must(os.WriteFile(c.keyFile(), []byte(strings.Join(keys, "\n")+"\n"), 0o600))
	for _, p := range c.processes {
		c.must(p.stop(time.Minute))
		p.start()
	}
}

// TestKeysAreRotatedUnderLoad rotates a secret, the data key and the master key
// while runs go on: none fails, each sends a value that the secret had, and
// what was sealed before all of it opens after.
func TestKeysAreRotatedUnderLoad(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	doors := []*process{
		c.start("front", "api,scheduler,flusher", "--linger", "500ms"), c.start("side", "api,worker", "--linger", "500ms"),
	}
	c.start("worker", "worker")
	c.setToken(doors[0], 0)
	c.apply(doors[0], yamlOf(c.far, sealing, held, speaker))

	// These take up the first value, and wait with it in a sealed checkpoint.
	waiting := map[string]ack{}
	client := c.client(doors[0])
	for i := range 5 {
		key := fmt.Sprintf("held-%d", i)
		waiting[key] = ack{id: c.trigger(client, held.name, key).ID, shape: held}
	}
	c.far.await(t, time.Minute, "the runs have taken up the secret", func() bool { return c.far.count("a", 1) == len(waiting) })

	l := c.load(2, 60*time.Millisecond, doors, sealing)
	next := 0
	rotateSecret := func() {
		next++
		c.setToken(doors[next%2], next)
		c.awaitToken(next)
	}
	l.await(t, 10, time.Minute)
	rotateSecret()
	for range 2 {
		c.command("rotate-data-key", "--settle", "3s")
		l.await(t, 10, time.Minute)
		rotateSecret()
	}
	first, err := os.ReadFile(c.keyFile())
	c.must(err)
	second := make([]byte, 32)
	_, _ = rand.Read(second) // never fails: crypto/rand ends the process itself
	fresh := base64.StdEncoding.EncodeToString(second)
	c.useKeys(fresh, strings.TrimSpace(string(first)))
	c.command("rotate-master-key")
	l.await(t, 10, time.Minute)
	rotateSecret()
	c.useKeys(fresh)
	rotateSecret()

	for key := range waiting {
		_, err := client.Trigger(t.Context(), speaker.name, request(key, key+wakeSuffix), 0)
		c.must(err)
	}
	acked := merge(l.stop(), waiting)
	c.check(acked, expectation{once: true})
	c.sentTokens(waiting, next)
	c.hidTokens()
	t.Logf("%d runs went on through %d values of a secret, 2 data keys and 2 master keys", len(acked), next+1)
}

// hidTokens checks that history has none of the values, not even the first,
// which the processes that ended the waiting runs have never seen as a secret's.
func (c *cluster) hidTokens() {
	c.t.Helper()
	rows, err := c.pool.Query(c.t.Context(), `SELECT run || '/' || path || ': ' || concat_ws(' ', result, error, attempts) FROM steps
		WHERE concat_ws(' ', result, error, attempts) LIKE '%planted-token%' LIMIT 3`)
	c.must(err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	c.must(err)
	for _, row := range found {
		c.t.Errorf("history holds a value of the secret: %s", row)
	}
}

// sentTokens checks what every run took up and sent: the runs that waited have
// the first value, and what they send now is the last.
func (c *cluster) sentTokens(waiting map[string]ack, last int) {
	c.t.Helper()
	known := map[string]int{}
	for n := range last + 1 {
		known[tokenOf(n)] = n
	}
	old := map[string]bool{}
	for _, a := range waiting {
		old[a.id] = true
	}
	for _, o := range c.far.history() {
		if o.step() != "b" {
			continue
		}
		var body struct{ Kept, Now string }
		c.must(json.Unmarshal(o.body, &body))
		kept, ok := known[body.Kept]
		now, also := known[body.Now]
		switch {
		case !ok || !also || now < kept:
			c.t.Errorf("run %s took up %q and sent %q", o.run(), body.Kept, body.Now)
		case old[o.run()] && (kept != 0 || now != last):
			c.t.Errorf("run %s, which waited from the start, took up %q and sent %q; want the first and the last", o.run(), body.Kept, body.Now)
		}
	}
}
