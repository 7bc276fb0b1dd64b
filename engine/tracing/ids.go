package tracing

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"
)

// ids makes the ids of traces and spans at random, but for a span whose id ctx
// names.
type ids struct{}

func (ids) NewIDs(ctx context.Context) (id trace.TraceID, span trace.SpanID) {
	for !id.IsValid() {
		binary.LittleEndian.PutUint64(id[:8], rand.Uint64())
		binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	}
	return id, ids{}.NewSpanID(ctx, id)
}

func (ids) NewSpanID(ctx context.Context, _ trace.TraceID) (span trace.SpanID) {
	if named, ok := ctx.Value(spanIDKey{}).(trace.SpanID); ok {
		return named
	}
	for !span.IsValid() {
		binary.LittleEndian.PutUint64(span[:], rand.Uint64())
	}
	return span
}

type spanIDKey struct{}

// runSpan is the id of a run's own span. It follows from the run's id, so that
// each segment, on whatever worker, is a child of a span that is written only
// when the run has ended.
func runSpan(run string) (span trace.SpanID) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(run)) // never fails
	binary.BigEndian.PutUint64(span[:], h.Sum64())
	if !span.IsValid() {
		span[0] = 1
	}
	return span
}
