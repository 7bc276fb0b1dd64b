package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Settings say where spans go.
type Settings struct {
	// Endpoint is the URL of an OTLP collector that takes protobuf over HTTP,
	// such as http://collector:4318; empty for no tracing. The variables
	// OTEL_EXPORTER_OTLP_HEADERS and OTEL_EXPORTER_OTLP_CERTIFICATE hold what it
	// asks for beyond.
	Endpoint string
	// Share is the part of the traces begun here that is recorded, 0 to 1. A
	// trace that somebody else began is recorded when its sampled flag is set.
	Share float64
	// Version and Instance describe this process.
	Version, Instance string
	// Log hears when spans can't be sent.
	Log *slog.Logger
}

// queued bounds the spans that wait to be sent: further ones are dropped rather
// than anybody kept waiting.
const queued = 16384

// Tracer makes spans; nil makes none.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// New makes a tracer; nil when no endpoint is set. It does not need the
// collector to be there. Stop it after the last span.
func New(ctx context.Context, s Settings) (*Tracer, error) {
	if s.Endpoint == "" {
		return nil, nil
	}
	address, err := tracesURL(s.Endpoint)
	if err != nil {
		return nil, err
	}
	if !(s.Share >= 0 && s.Share <= 1) {
		return nil, fmt.Errorf("a share of %v traces: choose 0 to 1", s.Share)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(address), otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	if err != nil {
		return nil, fmt.Errorf("make the OTLP exporter: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(
			attribute.String("service.name", "paragond"),
			attribute.String("service.version", s.Version),
			attribute.String("service.instance.id", s.Instance),
		),
		resource.WithFromEnv(), // OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME
		resource.WithTelemetrySDK())
	if err != nil {
		return nil, fmt.Errorf("describe this process to OTLP: %w", err)
	}
	if s.Log != nil {
		otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { s.Log.Warn("spans could not be sent", "error", err) }))
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithResource(about),
		sdktrace.WithIDGenerator(ids{}),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(s.Share))),
		sdktrace.WithBatcher(exporter,
			sdktrace.WithMaxQueueSize(queued), sdktrace.WithMaxExportBatchSize(512), sdktrace.WithBatchTimeout(2*time.Second)),
	)
	return &Tracer{provider: provider, tracer: provider.Tracer("paragon")}, nil
}

// tracesURL is where a collector of an endpoint takes traces.
func tracesURL(endpoint string) (string, error) {
	const path = "/v1/traces"
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("it is no URL of a collector: write it like http://collector:4318") // which may hold a password: not quoted
	}
	if !strings.HasSuffix(u.Path, path) {
		u = u.JoinPath(path)
	}
	return u.String(), nil
}

// Stop sends what is still to be sent, within ctx, and ends the tracer.
func (t *Tracer) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return errors.Join(t.provider.ForceFlush(ctx), t.provider.Shutdown(ctx))
}
