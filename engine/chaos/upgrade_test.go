package chaos_test

import (
	"testing"
	"time"
)

// TestRollingUpgrade replaces every process by one of another version, one at a
// time, while triggers come in: none is lost, no run is taken over, and no
// effect comes twice. `-args -chaos.from PATH` begins with a paragond built from
// an earlier version; by default both are this one.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	from, err := *chaosFrom, error(nil)
	if from == "" {
		if from, err = buildAs("paragond-before", "-X", "paragon/schema/api/buildinfo.version=v0.0.1-before"); err != nil {
			t.Fatalf("build the version before: %v", err)
		}
	}
	to, err := binary()
	if err != nil {
		t.Fatalf("build paragond: %v", err)
	}
	c := newCluster(t, options{by: from})
	var fleet []*process
	for _, roles := range []string{"worker", "scheduler,flusher", "api"} {
		for _, name := range []string{"one", "two"} {
			p := c.process(name+"-"+roles, roles)
			p.path = from
			p.start()
			fleet = append(fleet, p)
		}
	}
	doors := fleet[4:]
	c.apply(doors[0], yamlOf(c.far, chain, kept, rest, fan))
	before := c.versionOf(doors[0])
	l := c.load(4, 20*time.Millisecond, doors, chain, kept, rest, fan)
	l.await(t, 20, time.Minute)
	c.output(to, "migrate", "--postgres", c.pgURL)
	for _, p := range fleet {
		l.await(t, 20, time.Minute)
		if err := p.stop(time.Minute); err != nil {
			t.Errorf("%s did not end well: %v", p.name, err)
		}
		p.path = to
		p.start()
	}
	l.await(t, 40, time.Minute)
	c.check(l.stop(), expectation{calm: true, once: true})
	if after := c.versionOf(doors[0]); after == before {
		t.Errorf("version %q before and after", before)
	}
}

func (c *cluster) versionOf(p *process) string {
	c.t.Helper()
	v, err := c.client(p).Version(c.t.Context())
	c.must(err)
	return v.Version
}
