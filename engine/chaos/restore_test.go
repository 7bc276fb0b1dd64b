package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/servicetest"
	"paragon/schema"
	"paragon/schema/api"
)

// keptSealed is held, but its runs outlive Redis: what they took up of a secret
// is in the store, sealed.
var keptSealed = shapeOf("kept-sealed", true, [][]string{{"a"}, {"b"}}, takeUp,
	"    - {id: word, waitFor: {event: word, if: \"${{ event.data.n == input.n }}\", timeout: 15m}}\n", giveBack)

// restored is an installation with an empty Redis, on a database into which a
// dump of this one's was restored. It has the same master key.
func (c *cluster) restored(dump string) *cluster {
	c.t.Helper()
	r := &cluster{t: c.t, dir: c.dir, far: c.far, token: c.token, pgURL: servicetest.Postgres(c.t)}
	servicetest.RestoreDump(r.t, r.pgURL, dump)
	r.connect(false)
	path, err := binary()
	r.must(err)
	r.output(path, "migrate", "--postgres", r.pgURL)
	return r
}

// endedRows is the history of the runs that have ended, as text, in an order
// that two databases share.
func (c *cluster) endedRows() []string {
	c.t.Helper()
	rows, err := c.pool.Query(c.t.Context(), `
		SELECT row::text FROM runs AS row
		UNION ALL SELECT row::text FROM steps AS row WHERE run IN (SELECT id FROM runs)
		ORDER BY 1`)
	c.must(err)
	text, err := pgx.CollectRows(rows, pgx.RowTo[string])
	c.must(err)
	return text
}

// several triggers runs of a shape, with keys that begin with a prefix.
func (c *cluster) several(client *api.Client, s shape, prefix string, n int) map[string]ack {
	c.t.Helper()
	acked := map[string]ack{}
	for i := range n {
		key := fmt.Sprintf("%s-%d", prefix, i)
		run, err := client.Trigger(c.t.Context(), s.name, s.request(key, key), 0)
		c.must(err)
		acked[key] = ack{id: run.ID, shape: s}
	}
	return acked
}

// awaitStored waits until the store has a step of each of the runs, which have
// not ended.
func (c *cluster) awaitStored(acked map[string]ack, path string) {
	c.t.Helper()
	var ids []string
	for _, a := range acked {
		ids = append(ids, a.id)
	}
	c.eventually(time.Minute, "the store has step "+path, func(ctx context.Context) (bool, error) {
		var n int
		err := c.pool.QueryRow(ctx, `SELECT count(DISTINCT run) FROM steps WHERE path = $1 AND run = ANY ($2)`, path, ids).Scan(&n)
		return n == len(ids), err
	})
}

// TestADumpIsRestoredOnAnEmptyInstallation loses a whole installation: its
// Redis, its Postgres and all processes. What is left is a dump that was taken
// while it ran, and the master key. docs/backup.md says what is to be there then.
func TestADumpIsRestoredOnAnEmptyInstallation(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front, worker := split(c, chain, kept, keptSealed, speaker)
	c.setToken(front, 0)
	client := c.client(front)
	const email, phrase = "ada@example.org", "a long pass phrase"
	invitation, err := client.Invite(t.Context(), email, "developer")
	c.must(err)
	session, err := client.Accept(t.Context(), api.AcceptRequest{Token: invitation.Token, Name: "Ada", Password: phrase})
	c.must(err)
	fresh, err := client.CreateKey(t.Context(), api.CreateKeyRequest{Name: "ci", Role: "developer"})
	c.must(err)

	// Some runs are over, some wait with a sealed checkpoint, some are in the
	// middle of a step, and some are queued.
	over := merge(c.several(client, chain, "over", 5), c.several(client, kept, "kept-over", 5))
	c.ended(over, time.Minute)
	sealed := c.several(client, keptSealed, "sealed", 3)
	c.awaitStored(sealed, "keep")
	lost := make(chan struct{})
	c.far.treats(func(o observation) answer {
		if o.step() == "b" {
			return answer{until: lost}
		}
		return answer{}
	})
	midway := c.several(client, kept, "midway", 5)
	c.awaitStored(midway, "a")
	c.far.await(t, time.Minute, "the runs are in the middle of b", func() bool { return c.far.count("b", 1) == len(over)+len(midway) })
	worker.kill()
	queued := c.several(client, kept, "queued", 5)
	volatile := c.several(client, chain, "volatile", 3)

	dump := servicetest.Dump(t, c.pgURL)
	was := c.endedRows()
	after := c.several(client, kept, "after", 3)
	front.kill()
	close(lost)
	c.redis.Kill()

	r := c.restored(dump)
	if is := r.endedRows(); !slices.Equal(is, was) {
		t.Errorf("finished history is %d rows and not the %d of before, or differs in them", len(is), len(was))
	}
	front = r.start("restored-front", "api,scheduler,flusher")
	r.start("restored-worker", "worker")
	client = r.client(front)

	// Who could get in still can.
	if back, err := client.Login(t.Context(), email, phrase); err != nil || back.Token == "" {
		t.Errorf("log in with the password of before: %v", err)
	}
	for of, token := range map[string]string{"session": session.Token, "key": fresh.Token} {
		other := api.New(front.url(), token)
		if who, err := other.WhoAmI(t.Context()); err != nil || who.Role != "developer" {
			t.Errorf("the %s of before: %+v, %v", of, who, err)
		}
		other.Close()
	}
	// The same trigger is the same run.
	for key, a := range merge(midway, queued) {
		if run := r.trigger(client, a.shape.name, key); run.ID != a.id {
			t.Errorf("the trigger %s, sent again, has run %s; want %s", key, run.ID, a.id)
		}
	}
	// The sealed checkpoints open, and the secret is what it was.
	for key := range sealed {
		_, err := client.Trigger(t.Context(), speaker.name, request(key, key+wakeSuffix), 0)
		c.must(err)
	}
	r.check(merge(over, sealed, midway, queued, r.several(client, chain, "new", 3)), expectation{lostRedis: true})
	for key, a := range sealed {
		for _, o := range r.far.of(a.id + "/b") {
			if !strings.Contains(string(o.body), `"kept":"`+tokenOf(0)+`"`) || !strings.Contains(string(o.body), `"now":"`+tokenOf(0)+`"`) {
				t.Errorf("%s sent %s; want the secret as it was", key, o.body)
			}
		}
	}
	for key, a := range merge(over, midway, sealed) {
		if n := len(r.far.of(a.id + "/a")); n != 1 {
			t.Errorf("%s: the step that the dump has as finished was executed %d times", key, n)
		}
	}
	// What only Redis had, and what came after the dump, is gone; a trigger that
	// is sent again is a new run.
	for key, a := range merge(volatile, after) {
		var problem *schema.Problem
		if run, err := client.Run(t.Context(), a.id, 0); !errors.As(err, &problem) || problem.Status != http.StatusNotFound {
			t.Errorf("%s, which no back-up has: %+v, %v; want not found", key, run, err)
		}
	}
	again := map[string]ack{}
	for key, a := range after {
		again[key] = ack{id: r.trigger(client, a.shape.name, key).ID, shape: a.shape}
		if again[key].id == a.id {
			t.Errorf("%s has the run that is gone", key)
		}
	}
	r.ended(again, time.Minute)
}
