package bench_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cpu is the processor time that each part has used: unlike wall time it
// hardly depends on what else the machine does.
type cpu struct{ paragon, redis, postgres time.Duration }

func (w *world) cpu() cpu {
	w.t.Helper()
	var ru syscall.Rusage
	must(w.t, syscall.Getrusage(syscall.RUSAGE_SELF, &ru))
	c := cpu{paragon: time.Duration(ru.Utime.Nano() + ru.Stime.Nano())}
	info, err := w.rdb.Info(w.t.Context(), "cpu").Result()
	must(w.t, err)
	for line := range strings.Lines(info) {
		for _, name := range []string{"used_cpu_sys:", "used_cpu_user:"} {
			if text, ok := strings.CutPrefix(strings.TrimSpace(line), name); ok {
				seconds, err := strconv.ParseFloat(text, 64)
				must(w.t, err)
				c.redis += time.Duration(seconds * float64(time.Second))
			}
		}
	}
	var backend int
	must(w.t, w.pg.QueryRow(w.t.Context(), "SELECT pg_backend_pid()").Scan(&backend))
	postmaster, _ := procStat(strconv.Itoa(backend))
	dirs, err := filepath.Glob("/proc/[0-9]*")
	must(w.t, err)
	for _, dir := range dirs {
		pid := filepath.Base(dir)
		parent, used := procStat(pid)
		if parent == postmaster || pid == strconv.Itoa(postmaster) {
			c.postgres += used
		}
	}
	return c
}

// procStat reads a process's parent and the time that it and its ended
// children have used (proc(5)); nothing for a process that is gone.
func procStat(pid string) (parent int, used time.Duration) {
	raw, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0, 0
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	f := strings.Fields(rest)
	if len(f) < 15 {
		return 0, 0
	}
	parent, _ = strconv.Atoi(f[1])
	for _, field := range f[11:15] { // utime, stime, cutime, cstime, in ticks of 10 ms
		n, _ := strconv.ParseInt(field, 10, 64)
		used += time.Duration(n) * 10 * time.Millisecond
	}
	return parent, used
}

// per is the time since before, for each of n.
func (c cpu) per(before cpu, n int) string { return c.minus(before).each(n) }

func (c cpu) minus(o cpu) cpu {
	return cpu{c.paragon - o.paragon, c.redis - o.redis, c.postgres - o.postgres}
}

func (c cpu) plus(o cpu) cpu {
	return cpu{c.paragon + o.paragon, c.redis + o.redis, c.postgres + o.postgres}
}

// each is the time for each of n.
func (c cpu) each(n int) string {
	each := func(d time.Duration) string { return fmt.Sprintf("%.0f", float64(d.Microseconds())/float64(n)) }
	return fmt.Sprintf("µs of processor: paragon %s, Redis %s, Postgres %s", each(c.paragon), each(c.redis), each(c.postgres))
}
