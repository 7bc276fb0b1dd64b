package execution

import (
	"strconv"
	"strings"
	"testing"

	"paragon/engine/queue"
	"paragon/engine/servicetest"
	"paragon/schema"
)

// BenchmarkScripts is what a run of three checkpointed steps costs Redis, by
// script, in processor time of the server with its append-only file: what else
// the machine does hardly moves it.
func BenchmarkScripts(b *testing.B) {
	rdb, err := queue.NewRedis("redis://"+servicetest.StartRedis(b, servicetest.RedisOptions{}).Addr, queue.RedisOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer rdb.Close()
	bed := newBed(b, rdb)
	bed.must(rdb.ConfigSet(b.Context(), "auto-aof-rewrite-min-size", "4gb").Err())
	bed.must(rdb.ConfigSet(b.Context(), "hash-max-listpack-value", "1024").Err())
	cost := func(name string, do func()) {
		before := usedBy(b, rdb.Info(b.Context(), "cpu").Val())
		do()
		b.ReportMetric((usedBy(b, rdb.Info(b.Context(), "cpu").Val())-before)*1e6/float64(b.N*maxCommits), name+"-µs/run")
	}
	raw, err := appendStart(nil, &start{Project: "default", Workflow: "three", Revision: 1, CreatedAt: bed.clock, Input: []byte("null"),
		Trigger: schema.Trigger{Kind: "api", Actor: "key:bootstrap", Time: bed.clock}})
	bed.must(err)
	begin := string(raw)
	batches := make([][]acceptance, b.N)
	for i := range batches {
		for range maxCommits {
			batches[i] = append(batches[i], acceptance{id: NewRunID(bed.clock, 0), priority: schema.PriorityNormal,
				project: "default", fields: []any{fieldStart, begin}})
		}
	}
	cost("accept", func() {
		for _, batch := range batches {
			_, err := bed.one.acceptAll(b.Context(), bed.lane(), batch)
			bed.must(err)
		}
	})
	claimed := make([][]*state, b.N)
	cost("claim", func() {
		for i := range claimed {
			claimed[i] = bed.claim(bed.one, schema.PriorityNormal, maxCommits)
		}
	})
	commits := func(serial int, fields func(*state) []field, on way) func() {
		reqs := make([][]*commit, b.N)
		for i := range reqs {
			for _, st := range claimed[i] {
				reqs[i] = append(reqs[i], &commit{id: st.id, project: "default", fence: st.fence, serial: serial, fields: fields(st), way: on})
			}
		}
		return func() {
			for _, r := range reqs {
				codes, err := bed.one.commitAll(b.Context(), bed.lane(), r)
				bed.must(err)
				if codes[0] != commitDone {
					b.Fatalf("a commit was answered %d", codes[0])
				}
			}
		}
	}
	value := strings.Repeat("x", 45)
	step := func(path string, seq int64) func(*state) []field {
		return func(st *state) []field {
			return []field{{name: prefixStep + path, value: value, row: stepRow, seq: seq}}
		}
	}
	cost("checkpoint", commits(0, step("a", 1), way{kind: wayGo}))
	cost("checkpoint2", commits(1, step("b", 2), way{kind: wayGo}))
	cost("end", commits(2, func(st *state) []field {
		return append(step("c", 3)(st), field{name: fieldEnd, value: strings.Repeat("y", 120), row: runRow})
	}, way{kind: wayEnd, state: schema.RunSucceeded}))
}

// usedBy is the processor time of a server's main thread, in seconds.
func usedBy(b *testing.B, info string) float64 {
	var sum float64
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user_main_thread" || name == "used_cpu_sys_main_thread" {
			s, err := strconv.ParseFloat(value, 64)
			if err != nil {
				b.Fatal(err)
			}
			sum += s
		}
	}
	return sum
}
