// Package tracing makes OpenTelemetry traces of what the pipeline does, and sends
// them to a collector over OTLP/HTTP. It is configured by the usual OTEL_* variables
// and is off unless one of them asks for it.
//
// # A trace
//
//	page      one request for a page of the log, its wait for the budget included
//	└─ batch  from before its manifest is written until it is settled; links to the
//	   │      other pages its events were on; an event "retry" for each attempt that
//	   │      did not settle it
//	   └─ delivery  one attempt: Deliver, or Resolve
//
// A page has as many batches below it as there are lanes whose batch begins with one
// of its entries, and none if it brought nothing new. A batch that an earlier
// process prepared is a trace of its own. What is exported are names from the
// configuration, kinds, counts, times and batch IDs: no entry, no ID of one, no text
// of a server, no address.
//
// # What it may cost
//
// Nothing waits for the collector. Up to OTEL_BSP_MAX_QUEUE_SIZE finished items are
// kept and what comes beyond is dropped; a failing export is a warning at most once a
// minute; [Tracing.Close] takes two seconds at most. The context of a trace is sent
// neither to the API nor to a destination.
package tracing
