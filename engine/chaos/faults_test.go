package chaos_test

import (
	"syscall"
	"time"
)

// kind is a kind of fault.
type kind struct {
	name string
	// weight is how often it comes, next to the others.
	weight int
	// from and to bound how long it lasts.
	from, to time.Duration
	// breaks is what it touches: no two faults touch the same at the same time.
	breaks part
	// clock: it hits the process whose clock can be moved.
	clock bool
	// long: it comes in schedules from longFrom on alone.
	long bool
	// begin breaks something, and mend makes it whole again; p is the process
	// that it hits.
	begin, mend func(c *siege, p *process)
}

// part is a set of parts of an installation.
type part uint8

const (
	aProcess part = 1 << iota // the one that the fault hits
	theLinks                  // everyone's connections to Redis
	theRedis
	thePostgres
	theFarSide
)

// kinds are all kinds of fault.
var kinds = []kind{
	{
		name: "kill a process", weight: 16, from: 200 * time.Millisecond, to: 2200 * time.Millisecond, breaks: aProcess,
		begin: func(_ *siege, p *process) { p.kill() }, mend: (*siege).starts,
	},
	{
		name: "stop a process with SIGTERM", weight: 6, from: 100 * time.Millisecond, to: time.Second, breaks: aProcess,
		begin: func(_ *siege, p *process) { p.end(syscall.SIGTERM) }, mend: (*siege).startsOnceEnded,
	},
	{
		name: "freeze a process", weight: 4, from: 900 * time.Millisecond, to: 10 * time.Second, breaks: aProcess,
		begin: func(_ *siege, p *process) { p.pause() }, mend: func(_ *siege, p *process) { p.resume() },
	},
	{
		name: "put a clock forward", weight: 2, from: 300 * time.Millisecond, to: 4 * time.Second, breaks: aProcess, clock: true,
		begin: func(_ *siege, p *process) { p.signal(forward) }, mend: func(_ *siege, p *process) { p.signal(back) },
	},
	{
		name: "put a clock back", weight: 2, from: 300 * time.Millisecond, to: 4 * time.Second, breaks: aProcess, clock: true,
		begin: func(_ *siege, p *process) { p.signal(back) }, mend: func(_ *siege, p *process) { p.signal(forward) },
	},
	{
		name: "cut a process off Redis", weight: 8, from: 800 * time.Millisecond, to: 9 * time.Second, breaks: aProcess | theLinks,
		begin: func(_ *siege, p *process) { p.redis.cut() }, mend: (*siege).mendLinks,
	},
	{
		name: "cut everyone off Redis", weight: 4, from: 300 * time.Millisecond, to: 3300 * time.Millisecond, breaks: theLinks,
		begin: each(func(p *process) { p.redis.cut() }), mend: (*siege).mendLinks,
	},
	{
		name: "lose replies of Redis", weight: 8, from: 400 * time.Millisecond, to: 4400 * time.Millisecond, breaks: theLinks,
		begin: each(func(p *process) { p.redis.loseReplies(0.2) }), mend: (*siege).mendLinks,
	},
	{
		name: "slow Redis down", weight: 4, from: 400 * time.Millisecond, to: 4400 * time.Millisecond, breaks: theLinks,
		begin: each(func(p *process) { p.redis.spoil("latency", 1, `{"latency":40,"jitter":30}`) }), mend: (*siege).mendLinks,
	},
	{
		name: "restart Redis", weight: 6, from: 200 * time.Millisecond, to: 2200 * time.Millisecond, breaks: theRedis,
		begin: func(c *siege, _ *process) { c.redis.Kill() }, mend: func(c *siege, _ *process) { c.redis.Restart() },
	},
	{
		name: "freeze Redis", weight: 4, from: 800 * time.Millisecond, to: 9 * time.Second, breaks: theRedis,
		begin: func(c *siege, _ *process) { c.redis.Pause() }, mend: func(c *siege, _ *process) { c.redis.Resume() },
	},
	{
		name: "freeze Redis for long", weight: 1, from: 30 * time.Second, to: 35 * time.Second, breaks: theRedis, long: true,
		begin: func(c *siege, _ *process) { c.redis.Pause() }, mend: func(c *siege, _ *process) { c.redis.Resume() },
	},
	{
		// What is history is read first: for that Postgres is needed.
		name: "empty Redis", weight: 4, from: 100 * time.Millisecond, to: time.Second, breaks: theRedis | thePostgres,
		begin: func(c *siege, _ *process) { c.empty() }, mend: func(*siege, *process) {},
	},
	{
		name: "deliver jobs twice", weight: 4, from: 500 * time.Millisecond, to: 3 * time.Second, breaks: theRedis,
		begin: (*siege).deliverAgain, mend: (*siege).deliverOnce,
	},
	{
		name: "kill Postgres", weight: 4, from: 500 * time.Millisecond, to: 5500 * time.Millisecond, breaks: thePostgres,
		begin: func(c *siege, _ *process) { c.server.Kill() }, mend: func(c *siege, _ *process) { c.server.Restart() },
	},
	{
		name: "kill Postgres for minutes", weight: 1, from: 2 * time.Minute, to: 3 * time.Minute, breaks: thePostgres, long: true,
		begin: func(c *siege, _ *process) { c.server.Kill() }, mend: func(c *siege, _ *process) { c.server.Restart() },
	},
	{
		name: "cut everyone off Postgres", weight: 4, from: 600 * time.Millisecond, to: 6600 * time.Millisecond, breaks: thePostgres,
		begin: each(func(p *process) {
			if p.postgres != nil {
				p.postgres.cut()
			}
		}),
		mend: each(func(p *process) {
			if p.postgres != nil {
				p.postgres.mend()
			}
		}),
	},
	{
		// For that all must go on but the writing.
		name: "fill the log", weight: 4, from: 300 * time.Millisecond, to: 3300 * time.Millisecond, breaks: thePostgres | theRedis | theLinks | theFarSide,
		begin: (*siege).fillTheLog, mend: (*siege).drainTheLog,
	},
	{
		name: "make the far side slow", weight: 6, from: 400 * time.Millisecond, to: 4400 * time.Millisecond, breaks: theFarSide,
		begin: func(c *siege, _ *process) {
			c.far.treats(func(o observation) answer {
				return answer{after: time.Duration(len(o.key)*o.n%7) * 200 * time.Millisecond}
			})
		},
		mend: func(c *siege, _ *process) { c.far.treats(nil) },
	},
	{
		name: "make the far side fail", weight: 6, from: 400 * time.Millisecond, to: 4400 * time.Millisecond, breaks: theFarSide,
		begin: func(c *siege, _ *process) {
			c.far.treats(func(o observation) answer {
				if (len(o.key)+int(o.key[10])+o.n)%2 == 0 {
					return answer{status: 503}
				}
				return answer{}
			})
		},
		mend: func(c *siege, _ *process) { c.far.treats(nil) },
	},
	{
		// Longer than a step may take: what is called at its beginning times out.
		name: "make the far side hang", weight: 2, from: stepTimeout + 1500*time.Millisecond, to: stepTimeout + 4*time.Second, breaks: theFarSide,
		begin: (*siege).hangFarSide, mend: (*siege).releaseFarSide,
	},
}

// each has a fault do the same to every process.
func each(do func(p *process)) func(c *siege, _ *process) {
	return func(c *siege, _ *process) {
		for _, p := range c.processes {
			do(p)
		}
	}
}
