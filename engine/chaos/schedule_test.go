package chaos_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"
)

// fault is one entry of a schedule: something breaks, and after a time it is
// whole again.
type fault struct {
	// after is the calm before it.
	after time.Duration
	kind  string
	// process is the number of the process that it hits, if it hits one.
	process int
	lasts   time.Duration
}

func (f fault) String() string {
	return fmt.Sprintf("after %v: %s (process %d) for %v", f.after.Round(time.Millisecond), f.kind, f.process, f.lasts.Round(time.Millisecond))
}

// faults are the kinds of fault, with how often each comes and how long it
// lasts at most.
var faults = []struct {
	kind   string
	weight int
	lasts  time.Duration
}{
	{"kill a process", 8, 2 * time.Second},
	{"stop a process with SIGTERM", 3, time.Second},
	{"freeze a process", 2, 9 * time.Second},
	{"cut a process off Redis", 4, 8 * time.Second},
	{"cut everyone off Redis", 2, 3 * time.Second},
	{"lose replies of Redis", 4, 4 * time.Second},
	{"slow Redis down", 2, 4 * time.Second},
	{"restart Redis", 3, 2 * time.Second},
	{"freeze Redis", 2, 8 * time.Second},
	{"kill Postgres", 2, 5 * time.Second},
	{"cut everyone off Postgres", 2, 6 * time.Second},
	{"make the far side slow", 3, 4 * time.Second},
	{"make the far side fail", 3, 4 * time.Second},
	{"empty Redis", 2, time.Second},
	{"fill the log", 2, 3 * time.Second},
}

// schedule makes the faults of a seed, for a time, for so many processes.
func schedule(seed uint64, total time.Duration, processes int) []fault {
	r := rand.New(rand.NewPCG(seed, 0))
	sum := 0
	for _, f := range faults {
		sum += f.weight
	}
	var out []fault
	for at := time.Duration(0); ; {
		n := r.IntN(sum)
		i := 0
		for ; n >= faults[i].weight; i++ {
			n -= faults[i].weight
		}
		f := fault{
			after: time.Duration(r.Int64N(int64(1500 * time.Millisecond))), kind: faults[i].kind, process: r.IntN(processes),
			lasts: faults[i].lasts/10 + time.Duration(r.Int64N(int64(faults[i].lasts))),
		}
		if at += f.after + f.lasts; at > total {
			return out
		}
		out = append(out, f)
	}
}

// happen plays one fault to its end.
func (c *cluster) happen(f fault) {
	c.t.Helper()
	p := c.processes[f.process]
	switch {
	case strings.HasSuffix(f.kind, "off Postgres"):
		c.each(func(p *process) {
			if p.postgres != nil {
				p.postgres.cut()
			}
		})
	case f.kind == "cut everyone off Redis":
		c.each(func(p *process) { p.redis.cut() })
	case f.kind == "cut a process off Redis":
		p.redis.cut()
	case f.kind == "lose replies of Redis":
		c.each(func(p *process) { p.redis.loseReplies(0.2) })
	case f.kind == "slow Redis down":
		c.each(func(p *process) { p.redis.spoil("latency", 1, `{"latency":40,"jitter":30}`) })
	case f.kind == "kill a process":
		p.kill()
	case f.kind == "stop a process with SIGTERM":
		// With Redis just back it may fail to say goodbye, and exits with that.
		if err := p.stop(time.Minute); errors.Is(err, errStuck) {
			c.t.Errorf("%s got SIGTERM: %v", p.name, err)
		}
	case f.kind == "freeze a process":
		p.signal(syscall.SIGSTOP)
	case f.kind == "restart Redis":
		c.redis.Kill()
	case f.kind == "freeze Redis":
		c.redis.Pause()
	case f.kind == "empty Redis":
		c.empty()
	case f.kind == "kill Postgres":
		c.server.Kill()
	case f.kind == "fill the log":
		c.server.Kill()
		flood := c.load(8, time.Millisecond, c.doors, chain)
		flood.awaitFull(c.t, time.Minute)
		defer func() { c.flooded = merge(c.flooded, flood.stop()) }()
	case f.kind == "make the far side slow":
		c.far.treats(func(o observation) answer {
			return answer{after: time.Duration(len(o.key)*o.n%7) * 200 * time.Millisecond}
		})
	case f.kind == "make the far side fail":
		c.far.treats(func(o observation) answer {
			if (len(o.key)+int(o.key[10])+o.n)%2 == 0 {
				return answer{status: 503}
			}
			return answer{}
		})
	default:
		c.t.Fatalf("no such fault: %s", f.kind)
	}
	c.pass(f.lasts)
	c.mend(p, f)
}

// mend ends a fault.
func (c *cluster) mend(p *process, f fault) {
	c.t.Helper()
	switch f.kind {
	case "restart Redis":
		c.redis.Restart()
	case "freeze Redis":
		c.redis.Resume()
	case "kill Postgres", "fill the log":
		c.server.Restart()
	case "freeze a process":
		p.signal(syscall.SIGCONT)
	case "kill a process", "stop a process with SIGTERM":
		p.start()
	}
	c.far.treats(nil)
	c.each(func(p *process) {
		p.redis.mend()
		p.redis.heal()
		if p.postgres != nil {
			p.postgres.mend()
		}
	})
}

func (c *cluster) each(f func(p *process)) {
	for _, p := range c.processes {
		f(p)
	}
}
