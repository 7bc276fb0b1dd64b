package chaos_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/daemon"
	"paragon/engine/payload"
	"paragon/engine/servicetest"
	"paragon/schema"
)

// largePad makes a value that is kept in object storage.
const largePad = payload.Above + 20<<10

// large has an input, results and an output that are kept in object storage, and
// parks between its requests.
var large = func() shape {
	s := shapeOf("large", false, [][]string{{"fetch"}, {"b"}}, post("fetch"),
		"    - {id: grow, set: {text: \"${{ input.pad + input.n }}\"}}\n",
		"    - {id: pause, delay: {for: 300ms}}\n", post("b"),
		"    - {id: reply, respond: {body: {text: \"${{ steps.grow.text }}\", got: \"${{ len(steps.fetch.body.pad) }}\"}}}\n")
	s.pad = largePad
	return s
}()

// answersLarge lets the far side answer the first request of large at length.
func answersLarge(o observation) answer {
	if o.step() == "fetch" {
		return answer{pad: largePad}
	}
	return answer{}
}

// checkLarge reads the outputs of runs of large through a process.
func (c *cluster) checkLarge(door *process, acked map[string]ack) {
	c.t.Helper()
	client := c.client(door)
	for key, a := range acked {
		if a.shape.pad == 0 {
			continue
		}
		run, err := client.Run(c.t.Context(), a.id, 0)
		c.must(err)
		var out struct {
			Text string
			Got  int
		}
		c.must(json.Unmarshal(run.Output, &out))
		if out.Text != padding(key, largePad)+key || out.Got != largePad {
			c.t.Errorf("%s: the output of run %s has %d bytes and %d, and is not what the run made", key, a.id, len(out.Text), out.Got)
		}
	}
}

// TestProcessesAreKilledWithLargeValues kills every process while large values
// are written and read. What that leaves in object storage and nothing
// refers to is swept when its day is over, and only that.
func TestProcessesAreKilledWithLargeValues(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	dir := filepath.Join(t.TempDir(), "payloads")
	kept := "--payloads=dir:" + dir
	doors := []*process{c.start("api-1", "api", kept), c.start("api-2", "api", kept)}
	c.start("keeper", "scheduler,flusher", kept)
	c.start("worker-1", "worker", kept)
	c.start("worker-2", "worker", kept)
	c.apply(doors[0], yamlOf(c.far, large, chain))
	c.far.treats(answersLarge)
	l := c.load(3, 50*time.Millisecond, doors, large, large, chain)
	for _, p := range c.processes {
		l.await(t, 6, time.Minute)
		p.kill()
		c.pass(100 * time.Millisecond)
		p.start()
	}
	acked := l.stop()
	c.check(acked, expectation{within: 2 * time.Minute})
	c.checkLarge(doors[1], acked)

	// A write that no reference followed, as a crash between the two leaves.
	values, err := payload.Open("dir:" + dir)
	c.must(err)
	var of string
	for _, a := range acked {
		of = a.id
	}
	_, err = values.Keep(t.Context(), schema.DefaultProject, of, []byte(padding("nobody's", largePad)))
	c.must(err)
	c.processes[2].kill()
	c.startClockedAs("later", clocked{Roles: []daemon.Role{daemon.RoleFlusher}, Postgres: c.pgURL, Ahead: 72 * time.Hour, Payloads: "dir:" + dir})
	referred := c.referred()
	before := objects(t, dir)
	c.eventually(time.Minute, "what nothing refers to is swept", func(context.Context) (bool, error) {
		return slices.Equal(objects(t, dir), referred), nil
	})
	t.Logf("of %d objects %d were referred to", len(before), len(referred))
	c.checkLarge(doors[0], acked)
}

// referred are the digests that history refers to.
func (c *cluster) referred() []string {
	c.t.Helper()
	rows, err := c.pool.Query(c.t.Context(), `SELECT DISTINCT digest FROM payloads`)
	c.must(err)
	digests, err := pgx.CollectRows(rows, pgx.RowTo[string])
	c.must(err)
	slices.Sort(digests)
	return digests
}

// objects are the names of the files below a directory.
func objects(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, e.Name())
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // swept meanwhile
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// TestObjectStorageIsAway takes object storage away while runs with large values
// go on, and kills one of their workers: what is small goes on, what is large is
// refused or waits, and no attempt is charged.
func TestObjectStorageIsAway(t *testing.T) {
	t.Parallel()
	server := servicetest.StartS3(t)
	storageAway(t, fmt.Sprintf("s3://%s/large?endpoint=http://%s&region=us-east-1", server.Bucket, server.Endpoint),
		[]string{"AWS_ACCESS_KEY_ID=" + server.AccessKey, "AWS_SECRET_ACCESS_KEY=" + server.SecretKey},
		func(_ *cluster, away bool) { server.Cut(away) })
}

// storageAway runs large values while take takes their storage away and gives it
// back.
func storageAway(t *testing.T, at string, env []string, take func(c *cluster, away bool)) {
	c := newCluster(t, options{})
	start := func(name, roles string) *process {
		p := c.process(name, roles, "--payloads", at)
		p.env = env
		p.start()
		return p
	}
	front, first := start("front", "api,scheduler,flusher"), start("first", "worker")
	start("second", "worker")
	c.apply(front, yamlOf(c.far, large, chain))
	open := make(chan struct{})
	c.far.treats(func(o observation) answer {
		a := answersLarge(o)
		if a.pad > 0 {
			a.until = open
		}
		return a
	})
	client := c.client(front)
	const runs = 6
	midway := c.several(client, large, "midway", runs)
	c.far.await(t, time.Minute, "all runs wait for a large answer", func() bool { return c.far.count("fetch", 1) == runs })

	take(c, true)
	close(open)
	first.kill()
	small := c.several(client, chain, "small", 10)
	c.ended(small, time.Minute)
	_, err := client.Trigger(t.Context(), large.name, large.request("refused", "refused"), 0)
	var problem *schema.Problem
	if !errors.As(err, &problem) || problem.Status != http.StatusServiceUnavailable || problem.RetryAfter <= 0 || !strings.Contains(problem.Detail, "object storage") {
		t.Errorf("a trigger with a large input: %v; want 503 with Retry-After that says why", err)
	}
	// The runs of the worker that is gone have come to the other one.
	c.far.await(t, time.Minute, "small runs go on", func() bool { return c.far.count("c", 1) == len(small) })
	c.pass(resumeWithin)
	for key, a := range midway {
		if run, err := client.Run(t.Context(), a.id, 0); err == nil && run.Status.Ended() {
			t.Errorf("%s ended without its values: %+v", key, run)
		}
	}

	take(c, false)
	first.start()
	acked := merge(midway, small, c.several(client, large, "after", 4))
	c.check(acked, expectation{within: 2 * time.Minute})
	c.checkLarge(front, acked)
	for id, run := range c.past() {
		for _, s := range run.steps {
			if s.attempt > 1 || len(s.attempts) > 1 {
				t.Errorf("run %s was charged %d attempts of step %s", id, max(s.attempt, len(s.attempts)), s.path)
			}
		}
	}
}
