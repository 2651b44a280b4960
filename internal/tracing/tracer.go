package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"auditlog-connector/pipeline"
)

// The names of what is exported. They are few: what differs is in the attributes.
const (
	namePage     = "page"
	nameBatch    = "batch"
	nameDelivery = "delivery"
	eventSent    = "sent"
	eventRetry   = "retry"
)

// Page implements [pipeline.Tracer].
func (t *Tracing) Page(p pipeline.PageTrace) *pipeline.TraceRef {
	attrs := []attribute.KeyValue{
		attribute.String("connector.source", p.Source),
		attribute.String("connector.stream", p.Stream),
		attribute.String("connector.page.kind", p.Kind),
		attribute.String("connector.page.result", p.Result),
		attribute.Int("connector.page.entries", p.Entries),
	}
	if p.Status > 0 {
		attrs = append(attrs, attribute.Int("http.response.status_code", p.Status), attribute.Int("connector.page.bytes", p.Bytes))
	}
	_, span := t.tracer.Start(context.Background(), namePage,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(p.Began), trace.WithAttributes(attrs...))
	if !p.Sent.IsZero() {
		span.AddEvent(eventSent, trace.WithTimestamp(p.Sent))
	}
	if p.Result != "ok" {
		failed(span, p.Result)
	}
	span.End(trace.WithTimestamp(p.Ended))
	ref := refOf(span)
	return &ref
}

// Batch implements [pipeline.Tracer]. The batch belongs to the trace of the first page
// that its events were on.
func (t *Tracing) Batch(b pipeline.BatchTrace) pipeline.BatchTracer {
	ctx := context.Background()
	attrs := []attribute.KeyValue{
		attribute.String("connector.lane", b.ID.Lane),
		attribute.String("connector.batch.id", b.ID.String()),
		attribute.Int("connector.batch.events", b.Events),
		attribute.Int("connector.batch.pages", len(b.Pages)),
		attribute.Bool("connector.batch.recovered", b.Recovered),
	}
	if !b.Watermark.IsZero() {
		attrs = append(attrs, attribute.String("connector.batch.watermark", b.Watermark.UTC().Format(time.RFC3339)))
	}
	options := []trace.SpanStartOption{trace.WithTimestamp(b.Began), trace.WithAttributes(attrs...)}
	if len(b.Pages) > 0 {
		ctx = trace.ContextWithSpanContext(ctx, contextOf(b.Pages[0]))
		options = append(options, trace.WithLinks(links(b.Pages[1:])...))
	}
	ctx, span := t.tracer.Start(ctx, nameBatch, options...)
	return &batch{tracer: t.tracer, ctx: ctx, span: span, lane: b.ID.Lane, kind: b.Kind}
}

// links leaves out pages that are in no trace.
func links(pages []*pipeline.TraceRef) []trace.Link {
	var list []trace.Link
	for _, p := range pages {
		if p.Sampled {
			list = append(list, trace.Link{SpanContext: contextOf(p)})
		}
	}
	return list
}

// batch is a [pipeline.BatchTracer].
type batch struct {
	tracer     trace.Tracer
	ctx        context.Context // of the batch, for what belongs below it
	span       trace.Span
	lane, kind string
	attempts   int
}

func (b *batch) Ref() pipeline.TraceRef { return refOf(b.span) }

func (b *batch) Attempt(a pipeline.AttemptTrace) {
	b.attempts++
	attempt, outcome := attribute.Int("connector.delivery.attempt", b.attempts), attribute.String("connector.delivery.outcome", a.Class)
	_, span := b.tracer.Start(b.ctx, nameDelivery, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(a.Began), trace.WithAttributes(
		attribute.String("connector.lane", b.lane),
		attribute.String("connector.sink.type", b.kind),
		attribute.Int("connector.delivery.rejected", a.Rejected),
		attempt, outcome,
	))
	if !a.Settled {
		failed(span, a.Class)
		b.span.AddEvent(eventRetry, trace.WithTimestamp(a.Ended), trace.WithAttributes(attempt, outcome))
	}
	span.End(trace.WithTimestamp(a.Ended))
}

func (b *batch) End(at time.Time, settled bool) {
	if !settled {
		failed(b.span, "not_settled")
	}
	b.span.End(trace.WithTimestamp(at))
}

// failed marks what has not come to a good end. The class says enough: the text of an
// error may hold what a server said.
func failed(span trace.Span, class string) {
	span.SetAttributes(attribute.String("error.type", class))
	span.SetStatus(codes.Error, class)
}

func refOf(span trace.Span) pipeline.TraceRef {
	c := span.SpanContext()
	return pipeline.TraceRef{Trace: c.TraceID(), Span: c.SpanID(), Sampled: c.IsSampled()}
}

func contextOf(r *pipeline.TraceRef) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: r.Trace, SpanID: r.Span, TraceFlags: trace.TraceFlags(0).WithSampled(r.Sampled),
	})
}
