// Package pipelinetest models destinations for tests: in memory, without clock,
// goroutines or chance, and as unkind as the caller's network makes them.
//
// A [Destination] survives processes; a [Sink] is what one process opens on it.
// Every request asks the network function for its [Fate], so that a request can be
// lost, applied but unanswered, or delayed past the end of the process that sent it:
//
//	process 1: Open ─▶ Claim ─▶ Deliver ──FateLate──▶ [delayed writes]
//	process 2: Open ─▶ Claim ─▶ Resolve ─▶ absent ─▶ Deliver      │
//	                                    Destination.Release(0) ◀──┘  must have no effect
//
// The network function may panic, which is a crash before the request had an
// effect; see [Sink.OnAnswer] for a crash after it. It may also block.
//
// Each [Kind] keeps its promise by the means of the real destination it stands
// for. What the pipeline must never do is kept in [Destination.Violations].
package pipelinetest
