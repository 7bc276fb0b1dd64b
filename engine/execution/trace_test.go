package execution

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"paragon/engine/tracing"
	"paragon/engine/tracing/tracingtest"
	"paragon/workflows"
	"paragon/workflows/steps"
)

// observed is a segment of a run that was accepted under parent.
func observed(tracer *tracing.Tracer, parent string) *segment {
	w := &Worker{opts: WorkerOptions{Tracer: tracer, ID: "w", Now: time.Now}, log: slog.New(slog.DiscardHandler), ctx: context.Background()}
	return newSegment(w, &state{id: "r", start: start{Project: "default", Workflow: "w", TraceParent: parent}})
}

// attempt is what an attempt costs beside its own work.
func (s *segment) observe(call *steps.Call, out *steps.Outcome, at time.Time) {
	_, span := s.traceAttempt(s.w.ctx, call)
	s.attempted(call, out, span, at)
}

const (
	sampled   = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
)

// What is not traced costs no memory: neither where tracing is off, nor for a
// run of a trace that is not recorded.
func TestWhatIsNotTracedCostsNothing(t *testing.T) {
	on, err := tracing.New(t.Context(), tracing.Settings{Endpoint: tracingtest.Start(t).URL, Share: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := on.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	for name, s := range map[string]*segment{"off": observed(nil, sampled), "unsampled": observed(on, unsampled)} {
		call, out, at := steps.Call{Step: &workflows.Step{}, Path: "a"}, steps.Outcome{}, time.Now()
		if n := testing.AllocsPerRun(1000, func() { s.traceStart(); s.observe(&call, &out, at) }); n > 8 || name == "off" && n > 0 {
			t.Errorf("%s: %v allocations a segment and attempt", name, n)
		}
		s.traceStart()
		if n := testing.AllocsPerRun(1000, func() { s.observe(&call, &out, at) }); n > 0 {
			t.Errorf("%s: %v allocations an attempt", name, n)
		}
	}
}

// BenchmarkAttemptIsTraced includes, for what is sampled, sending the spans.
func BenchmarkAttemptIsTraced(b *testing.B) {
	on, err := tracing.New(b.Context(), tracing.Settings{Endpoint: tracingtest.Start(b).URL, Share: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := on.Stop(context.Background()); err != nil {
			b.Error(err)
		}
	}()
	for name, s := range map[string]*segment{"off": observed(nil, sampled), "unsampled": observed(on, unsampled), "sampled": observed(on, sampled)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			call, out, at := steps.Call{Step: &workflows.Step{}, Path: "a"}, steps.Outcome{}, time.Now()
			s.traceStart()
			for b.Loop() {
				s.observe(&call, &out, at)
			}
		})
	}
}
