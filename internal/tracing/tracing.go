package tracing

import (
	"context"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// flushTime is how long Close may take.
const flushTime = 2 * time.Second

// Tracing makes traces and sends them. It is a [pipeline.Tracer].
type Tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	client   *client
	log      *slog.Logger
}

// Start begins to trace if the environment asks for it, and returns nil if it does
// not. It contacts nobody. What is wrong with a variable is a warning in log; nothing
// that concerns traces is an error. The caller closes what it returns.
//
// OpenTelemetry has one place in a process for what goes wrong inside of it: of two
// at a time, the one that was started last is told.
func Start(lookup func(string) (string, bool), version string, log *slog.Logger) *Tracing {
	env := &environment{lookup: lookup}
	s := env.read()
	var c *client
	if s.on {
		var err error
		if c, err = newClient(s.collector); err != nil {
			env.warn("OTEL_EXPORTER_OTLP_CERTIFICATE", "traces are off: %v", err)
		}
	}
	for _, w := range env.warnings {
		log.Warn("environment variable not usable", "variable", w.variable, "problem", w.problem)
	}
	if c == nil {
		return nil
	}
	// What the library itself has to say comes as errors, which are limited, or would
	// go to standard error past the log.
	otel.SetLogger(logr.Discard())
	otel.SetErrorHandler(&complaints{log: log})
	t := &Tracing{
		client: c, log: log,
		provider: sdktrace.NewTracerProvider(
			sdktrace.WithResource(s.describe(version)),
			sdktrace.WithSampler(s.sampler),
			sdktrace.WithRawSpanLimits(s.limits),
			sdktrace.WithBatcher(otlptrace.NewUnstarted(c),
				sdktrace.WithMaxQueueSize(s.queue),
				sdktrace.WithMaxExportBatchSize(s.batch),
				sdktrace.WithBatchTimeout(milliseconds(s.delay)),
				sdktrace.WithExportTimeout(milliseconds(s.export)),
			),
		),
	}
	t.tracer = t.provider.Tracer("auditlog-connector", trace.WithInstrumentationVersion(version))
	log.Info("tracing", "endpoint", place(s.endpoint))
	return t
}

// describe is what the traces say of the program.
func (s *settings) describe(version string) *resource.Resource {
	attrs := []attribute.KeyValue{attribute.String("service.name", "auditlog-connector"), attribute.String("service.version", version)}
	for _, p := range s.resource {
		attrs = append(attrs, attribute.String(p.name, p.value))
	}
	if s.serviceName != "" {
		attrs = append(attrs, attribute.String("service.name", s.serviceName))
	}
	// Of two with one name the last one counts.
	r, err := resource.New(context.Background(), resource.WithTelemetrySDK(), resource.WithAttributes(attrs...))
	if err != nil {
		otel.Handle(err)
	}
	return r
}

// place is an address without what may be secret.
func place(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// Close sends what is not yet sent, for two seconds at most, and ends everything. What
// could not be sent is lost, and a warning; the error is always nil. It is called once,
// when nothing is told to t any more.
func (t *Tracing) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	t.client.hurry()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.log.Warn("traces not exported before the end", "err", err)
		otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {})) // it was said
	}
	// Ends a request that still waits, and with it the goroutine that sends.
	return t.client.Stop(ctx)
}

// complainEvery is how often a failing export is a warning.
const complainEvery = time.Minute

// complaints logs what goes wrong with traces, seldom.
type complaints struct {
	log *slog.Logger

	mu     sync.Mutex
	next   time.Time
	missed int // not logged since the last one that was
}

// Handle implements [otel.ErrorHandler].
func (c *complaints) Handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Before(c.next) {
		c.missed++
		return
	}
	c.log.Warn("traces not exported", "err", err, "unlogged", c.missed)
	c.next, c.missed = now.Add(complainEvery), 0
}
