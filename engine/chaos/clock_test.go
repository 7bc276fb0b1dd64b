package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"paragon/engine/daemon"
	"paragon/engine/outbound"
	"paragon/engine/payload"
	"paragon/engine/queue"
	"paragon/engine/seal"
	"paragon/engine/store/postgres"
)

// clockedEnv holds, as JSON, what a process of this test binary is that has a
// clock of its own: nothing sets the clock that a Go program reads but the
// machine's, so the process brings one along.
const clockedEnv = "PARAGON_CHAOS_CLOCKED"

type clocked struct {
	Roles                []daemon.Role
	Redis, Postgres, Key string
	// Ahead is how far its clock is ahead from the start, Leap how far it jumps,
	// and Payloads where large values are, if anywhere.
	Ahead, Leap time.Duration
	Payloads    string
	// Drain bounds its end; 0 leaves that to it.
	Drain time.Duration
}

// The clock of such a process jumps at these signals.
const forward, back = syscall.SIGUSR1, syscall.SIGUSR2

// runClocked is the process, until it is told to end.
func runClocked(of string) int {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if err := serveClocked(of, log); err != nil {
		log.Error("serve", "error", err)
		return 1
	}
	return 0
}

func serveClocked(of string, log *slog.Logger) error {
	var c clocked
	if err := json.Unmarshal([]byte(of), &c); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	jumps := make(chan os.Signal, 16)
	signal.Notify(jumps, forward, back)
	var ahead atomic.Int64
	ahead.Store(int64(c.Ahead))
	opts := daemon.Options{
		Roles: c.Roles, Lanes: lanes, Drain: c.Drain, Outbound: outbound.Settings{AllowLoopback: true}, Log: log,
		Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	}
	var err error
	if opts.Keyring, err = seal.LoadKeyring(seal.Source{File: c.Key}); err != nil {
		return err
	}
	if c.Payloads != "" {
		if opts.Payloads, err = payload.Open(c.Payloads); err != nil {
			return err
		}
	}
	if c.Postgres != "" {
		db, err := postgres.Open(ctx, c.Postgres)
		if err != nil {
			return err
		}
		defer db.Close()
		opts.Store = db
	}
	if opts.Redis, err = queue.NewRedis("redis://"+c.Redis, queue.RedisOptions{}); err != nil {
		return err
	}
	defer opts.Redis.Close()
	if opts.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	d, err := daemon.Start(ctx, opts)
	if err != nil {
		return err
	}
	log.Info("ready", "address", d.Addr().String())
	for ctx.Err() == nil {
		select {
		case sig := <-jumps:
			by := c.Leap
			if sig == back {
				by = -by
			}
			log.Info("the clock jumps", "ahead", time.Duration(ahead.Add(int64(by))))
		case <-ctx.Done():
		}
	}
	end, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return d.Stop(end)
}

// startClocked starts a process of roles whose clock the test moves.
func (c *cluster) startClocked(name, pgURL string, roles ...daemon.Role) *process {
	c.t.Helper()
	return c.startClockedAs(name, clocked{Roles: roles, Postgres: pgURL, Leap: 4 * time.Minute})
}

func (c *cluster) startClockedAs(name string, as clocked) *process {
	c.t.Helper()
	self, err := os.Executable()
	c.must(err)
	p := &process{t: c.t, name: name, dir: c.dir, path: self, redis: newLink(c.t, name+"-redis", c.redis.Addr)}
	as.Redis, as.Key = p.redis.addr(), c.keyFile()
	of, err := json.Marshal(as)
	c.must(err)
	p.env = []string{clockedEnv + "=" + string(of)}
	if slices.Contains(as.Roles, daemon.RoleWorker) {
		p.struck, p.redis.struck, p.drains = &c.strikes, &c.strikes, as.Drain
	}
	c.t.Cleanup(p.cleanup)
	c.processes = append(c.processes, p)
	p.start()
	return p
}

// TestClocksJump moves the clocks of a worker and of the process that keeps the
// queues while runs go on, forward and back: far beyond the timeout of a step,
// and never so far that a run's own would be over, which is the wall clock's to
// say. No claim is taken from who has it, and nothing is done twice. Then the
// worker whose clock is wrong is killed, and another finishes what it had.
func TestClocksJump(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front := c.startClocked("front", c.pgURL, daemon.RoleAPI, daemon.RoleScheduler, daemon.RoleFlusher)
	odd := c.startClocked("odd", "", daemon.RoleWorker)
	c.start("steady", "worker")
	c.apply(front, yamlOf(c.far, chain, kept))
	c.far.treats(func(observation) answer { return answer{after: 30 * time.Millisecond} })
	client := c.client(front)
	acked := map[string]ack{}
	jump := []syscall.Signal{forward, forward, back, back, back, forward}
	for i := range 120 {
		s := []shape{chain, kept}[i%2]
		key := fmt.Sprintf("run-%d", i)
		acked[key] = ack{id: c.trigger(client, s.name, key).ID, shape: s}
		switch i % 20 {
		case 5:
			odd.signal(jump[i/20])
		case 15:
			front.signal(jump[len(jump)-1-i/20])
		}
	}
	c.check(acked, expectation{calm: true, once: true})

	odd.signal(forward)
	for i := range 40 {
		key := fmt.Sprintf("late-%d", i)
		acked[key] = ack{id: c.trigger(client, chain.name, key).ID, shape: chain}
		if i == 20 {
			odd.kill()
		}
	}
	c.check(acked, expectation{})
}

// TestEventOfAWorkerWhoseClockIsBehind has a worker that is late by its clock
// emit an event for a run that began before and does not wait yet.
func TestEventOfAWorkerWhoseClockIsBehind(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front := c.start("front", "api,scheduler,flusher")
	c.startClockedAs("odd", clocked{Roles: []daemon.Role{daemon.RoleWorker}, Ahead: -20 * time.Second})
	c.apply(front, yamlOf(c.far, listener, speaker))
	said := make(chan struct{})
	c.far.treats(func(o observation) answer {
		if o.step() == "a" {
			return answer{until: said}
		}
		return answer{}
	})
	client := c.client(front)
	run := c.trigger(client, listener.name, "one")
	c.far.await(t, time.Minute, "the run is before its wait", func() bool { return len(c.far.of(run.ID+"/a")) > 0 })
	word, err := client.Trigger(t.Context(), speaker.name, request("one", "one"+wakeSuffix), 0)
	c.must(err)
	acked := map[string]ack{"one" + wakeSuffix: {id: word.ID, shape: speaker}}
	c.ended(acked, time.Minute)
	close(said)
	acked["one"] = ack{id: run.ID, shape: listener}
	c.check(acked, expectation{calm: true, once: true})
}
