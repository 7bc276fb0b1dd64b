package tracing

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Span is a piece of work under way. The zero Span records nothing.
type Span struct{ span trace.Span }

// Recording tells whether anybody will see the span.
func (s Span) Recording() bool { return s.span != nil && s.span.IsRecording() }

// TraceParent is the traceparent of the span's children.
func (s Span) TraceParent() string {
	if s.span == nil {
		return ""
	}
	return format(s.span.SpanContext())
}

// Context are the ids of the span: the trace's, its own, and whether it is
// sampled.
func (s Span) Context() (traceID [16]byte, spanID [8]byte, sampled bool) {
	if s.span == nil {
		return traceID, spanID, false
	}
	sc := s.span.SpanContext()
	return sc.TraceID(), sc.SpanID(), sc.IsSampled()
}

// End ends the span; kind says what failed, empty for nothing. A message is
// left out: it may quote what the far side said.
func (s Span) End(kind string) {
	if s.span == nil {
		return
	}
	if kind != "" {
		s.span.SetAttributes(attribute.String("error.type", kind))
		s.span.SetStatus(codes.Error, kind)
	}
	s.span.End()
}

// Calls says of the span of a request that it is a call to an integration.
func (s Span) Calls(project, integration string) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String("paragon.project", project), attribute.String("paragon.integration", integration))
	}
}

// BrokeOff says of the span of a request that its answer did not come to its
// end.
func (s Span) BrokeOff() {
	if s.span != nil {
		s.span.SetStatus(codes.Error, "the answer broke off")
	}
}

// Is says of the span of an acceptance that the run was there already: its id.
func (s Span) Is(run string) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String("paragon.run", run), attribute.Bool("paragon.known", true))
	}
}

// Answered ends the span of a request that came in. Route is the pattern that
// it matched, empty for none.
func (s Span) Answered(method, route string, status int) {
	if s.span == nil {
		return
	}
	if route != "" {
		s.span.SetName(method + " " + route)
		s.span.SetAttributes(attribute.String("http.route", route))
	}
	s.span.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		s.span.SetStatus(codes.Error, http.StatusText(status))
	}
	s.span.End()
}

// Request begins the span of a request that came in, as a child of the caller's
// traceparent. What is done under the returned context is its child.
func (t *Tracer) Request(ctx context.Context, parent, method string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(within(ctx, parent), method, trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", method)))
	return ctx, Span{span}
}

// Run names a run in spans.
type Run struct{ Project, Workflow, ID string }

func (r Run) attributes() trace.SpanStartEventOption {
	return trace.WithAttributes(
		attribute.String("paragon.project", r.Project),
		attribute.String("paragon.workflow", r.Workflow),
		attribute.String("paragon.run", r.ID))
}

// Accept begins the span of writing and queueing a run, as a child of parent,
// else of what ctx is under, else as a new trace. Its TraceParent goes with the
// run.
func (t *Tracer) Accept(ctx context.Context, parent string, run Run) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	if !trace.SpanContextFromContext(ctx).IsValid() || parent != "" {
		ctx = within(ctx, parent)
	}
	ctx, span := t.tracer.Start(ctx, "accept "+run.Workflow, trace.WithSpanKind(trace.SpanKindProducer), run.attributes())
	return ctx, Span{span}
}

// RunSpan is the span of a whole run, as its segments see it. The zero RunSpan
// records nothing.
type RunSpan struct {
	tracer *Tracer
	run    Run
	parent string
	ctx    context.Context // of its children
}

// Run returns the span of the run that was accepted under parent. It records
// nothing unless that is sampled.
func (t *Tracer) Run(parent string, run Run) RunSpan {
	if t == nil || parent == "" {
		return RunSpan{}
	}
	sc := trace.SpanContextFromContext(within(context.Background(), parent))
	if !sc.IsSampled() {
		return RunSpan{}
	}
	return RunSpan{tracer: t, run: run, parent: parent,
		ctx: trace.ContextWithRemoteSpanContext(context.Background(), sc.WithSpanID(runSpan(run.ID)))}
}

// Recording tells whether anybody will see the span.
func (r RunSpan) Recording() bool { return r.tracer != nil }

// Queued records that the run waited for a worker.
func (r RunSpan) Queued(from, to time.Time) {
	if !r.Recording() {
		return
	}
	_, span := r.tracer.tracer.Start(r.ctx, "queue", trace.WithTimestamp(from), r.run.attributes())
	span.End(trace.WithTimestamp(to))
}

// Segment begins the span of a stay of the run on a worker.
func (r RunSpan) Segment(worker string, fence int64) Span {
	if !r.Recording() {
		return Span{}
	}
	_, span := r.tracer.tracer.Start(r.ctx, "segment", trace.WithSpanKind(trace.SpanKindConsumer), r.run.attributes(),
		trace.WithAttributes(attribute.String("paragon.worker", worker), attribute.Int64("paragon.fence", fence)))
	return Span{span}
}

// Ended records the run, which has ended: status is how, failure what failed.
func (r RunSpan) Ended(from, to time.Time, status, failure string) {
	if !r.Recording() {
		return
	}
	ctx := context.WithValue(within(context.Background(), r.parent), spanIDKey{}, runSpan(r.run.ID))
	_, span := r.tracer.tracer.Start(ctx, "run "+r.run.Workflow, trace.WithTimestamp(from), r.run.attributes(),
		trace.WithAttributes(attribute.String("paragon.status", status)))
	if failure != "" {
		span.SetAttributes(attribute.String("error.type", failure))
		span.SetStatus(codes.Error, failure)
	}
	span.End(trace.WithTimestamp(to))
}

// Step is an attempt at a step in spans.
type Step struct {
	// Kind is the step's kind, Path its place in the run.
	Kind, Path string
	Attempt    int
}

// Attempt begins the span of an attempt in the segment. What is done under the
// returned context is its child.
func (r RunSpan) Attempt(ctx context.Context, segment Span, step Step) (context.Context, Span) {
	if segment.span == nil {
		return ctx, Span{}
	}
	ctx, span := r.tracer.tracer.Start(trace.ContextWithSpan(ctx, segment.span), "step "+step.Path, r.run.attributes(),
		trace.WithAttributes(
			attribute.String("paragon.step", step.Path),
			attribute.String("paragon.kind", step.Kind),
			attribute.Int("paragon.attempt", step.Attempt)))
	return ctx, Span{span}
}
