package function

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkCall is the cost of a warm call, with the process in between.
func BenchmarkCall(b *testing.B) {
	s := NewSandbox(1)
	defer s.Close()
	p, err := Compile("return {score: input.email.length}")
	if err != nil {
		b.Fatal(err)
	}
	args := Args{Input: json.RawMessage(`{"email":"someone@example.com"}`), Now: now}
	if _, err := s.Call(context.Background(), p, args, Limits{}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Call(context.Background(), p, args, Limits{Timeout: 10 * time.Second}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCallAfterPause is what a call takes when its engine was made before,
// as it is unless the calls come without a gap.
func BenchmarkCallAfterPause(b *testing.B) {
	s := NewSandbox(1)
	defer s.Close()
	p, err := Compile("return {score: input.email.length}")
	if err != nil {
		b.Fatal(err)
	}
	args := Args{Input: json.RawMessage(`{"email":"someone@example.com"}`), Now: now}
	var took []time.Duration
	for b.Loop() {
		time.Sleep(2 * time.Millisecond)
		started := time.Now()
		if _, err := s.Call(context.Background(), p, args, Limits{Timeout: 10 * time.Second}); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(started))
	}
	slices.Sort(took)
	for _, percent := range []int{10, 50, 90} {
		b.ReportMetric(float64(took[(len(took)-1)*percent/100].Nanoseconds())/1000, fmt.Sprintf("µs-p%d", percent))
	}
}

// BenchmarkEngine is the same in one process: making the engine, the call, and
// freeing it.
func BenchmarkEngine(b *testing.B) {
	prelude, err := compilePrelude()
	if err != nil {
		b.Fatal(err)
	}
	p, err := Compile("return {score: input.email.length}")
	if err != nil {
		b.Fatal(err)
	}
	t := task{timeout: 10 * time.Second, memory: 32 << 20, bytecode: p.bytecode, input: []byte(`{"email":"x"}`), steps: []byte("null"), settings: []byte("null")}
	for b.Loop() {
		m, err := newMachine(prelude)
		if err != nil {
			b.Fatal(err)
		}
		if _, rest := m.run(t); rest.Kind != "" {
			b.Fatal(rest)
		}
		m.close()
	}
}

func BenchmarkStartProcess(b *testing.B) {
	for b.Loop() {
		p, err := startProcess(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		p.kill()
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := Compile("return {score: input.email.length}"); err != nil {
			b.Fatal(err)
		}
	}
}
