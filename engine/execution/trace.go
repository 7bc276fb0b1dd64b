package execution

import (
	"context"
	"log/slog"
	"time"

	"paragon/engine/tracing"
	"paragon/schema"
	"paragon/workflows/steps"
)

// What a segment tells the operator's log and traces. Where nothing is traced
// each of these is a comparison; the log's own lines of attempts and ends are
// for --log-level debug.

// log is the worker's log with the run's ids.
func (s *segment) log() *slog.Logger {
	st := s.state
	log := s.w.log.With("run", st.id, "project", st.start.Project, "workflow", st.start.Workflow)
	if id := traceID(st.start.TraceParent); id != "" {
		log = log.With("trace", id)
	}
	return log
}

// debugs tells whether the lines of attempts and ends are wanted.
func (s *segment) debugs() bool { return s.w.log.Enabled(s.w.ctx, slog.LevelDebug) }

// traceStart begins the segment's span, and records that the run was queued
// when it begins with this segment.
func (s *segment) traceStart() {
	if s.w.opts.Tracer == nil {
		return
	}
	st := s.state
	s.traced = s.w.opts.Tracer.Run(st.start.TraceParent, tracing.Run{Project: st.start.Project, Workflow: st.start.Workflow, ID: st.id})
	if !s.traced.Recording() {
		return
	}
	if st.begins {
		s.traced.Queued(st.start.CreatedAt, st.startedAt)
	}
	s.span = s.traced.Segment(s.w.opts.ID, st.fence)
}

// traceAttempt begins an attempt's span, under which its requests and the runs
// that it starts are.
func (s *segment) traceAttempt(ctx context.Context, call *steps.Call) (context.Context, tracing.Span) {
	if !s.traced.Recording() {
		return ctx, tracing.Span{}
	}
	ctx, span := s.traced.Attempt(ctx, s.span, tracing.Step{Kind: string(call.Step.Kind), Path: call.Path, Attempt: call.Attempt})
	call.TraceParent = span.TraceParent()
	return ctx, span
}

// attempted ends an attempt's span and writes its line of the log.
func (s *segment) attempted(call *steps.Call, out *steps.Outcome, span tracing.Span, started time.Time) {
	failure := failureOf(out.Err)
	if out.Interrupted {
		failure = "interrupted"
	}
	span.End(failure)
	if !s.debugs() {
		return
	}
	log := s.log().With("step", call.Path, "attempt", call.Attempt, "took", s.w.opts.Now().Sub(started))
	if failure == "" {
		log.Debug("attempt succeeded")
		return
	}
	if out.Err != nil {
		log = log.With("error", s.redact.String(out.Err.Message))
	}
	log.Debug("attempt failed", "failure", failure)
}

// traceEnd records the run's end, which is written.
func (s *segment) traceEnd(run *schema.Run) {
	failure := failureOf(run.Error)
	if s.traced.Recording() {
		s.traced.Ended(run.CreatedAt, *run.EndedAt, string(run.Status), failure)
	}
	if s.debugs() {
		s.log().Debug("run ended", "status", run.Status, "took", run.EndedAt.Sub(run.CreatedAt), "failure", failure)
	}
}

// failureOf is the kind of a failure; empty for none.
func failureOf(err *schema.RunError) string {
	switch {
	case err == nil:
		return ""
	case err.Type == "":
		return "failed"
	}
	return err.Type
}
