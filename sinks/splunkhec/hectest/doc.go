// Package hectest is a Splunk HTTP event collector for tests: one HTTP handler that
// answers as the real one does, as far as that is known, and that can be told to go
// wrong in every way in which the real one does.
//
//	POST /services/collector[/event[/1.0]]   events, one after the other or in an array
//	POST /services/collector/raw[/1.0]       lines of text
//	POST /services/collector/ack             what has been indexed; true is said once
//	GET  /services/collector/health[/1.0]    whether it takes events
//	POST /services/search/jobs/export        what has been indexed: tstats and eventcount
//	GET  /services/server/info               version
//
// It is strict: what a Splunk refuses, it refuses, with the same code, number and
// status. Events before a bad one are indexed, those from it on are not; a request
// for acknowledgements needs its channel; an id is acknowledged once; a search finds
// an event when IndexDelay is over.
//
// A [Server] is a handler, for a real listener, and a transport, for tests inside a
// synctest bubble.
package hectest
