// Package openaisim is the audit-log API of an OpenAI organization as a strict
// HTTP server, written from the API's documentation: a world to test a reader
// against, to benchmark it with, and to try it without an organization.
//
//	sim, err := openaisim.New(openaisim.Config{Seed: 1, Events: 10_000})
//	addr, stop, err := sim.Start("127.0.0.1:0")
//	// GET http://addr/v1/organization/audit_logs with openaisim.DefaultAdminKey
//
// # The life of an event
//
// An event is invented, or given to [Server.Publish], with the time it happened
// and, for each of the two listings that it belongs to, the time from which it is
// visible there. Visibility is a function of [Config.Now]: late arrivals, entries
// that land inside a second already read and arrivals between two pages of one
// listing come by themselves. Bodies are encoded once, when the event is made; a
// page copies them.
//
// # What is undocumented
//
// Where the documentation is silent the server has a knob, and its zero value is
// the most likely behaviour. Whatever the server gets wrong on purpose is decided
// by a hash of the seed, the site and the count of calls at that site, never by a
// shared random generator, so that a run can be told again.
//
// # Truth
//
// [Server.Events] and [Server.Truth] say what exists, and GET /_sim/truth and
// /_sim/stats say it to other processes. Paths below /_sim/ need no key, are never
// disturbed and are not counted.
package openaisim
