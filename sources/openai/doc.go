// Package openai reads the audit log of an OpenAI organization.
//
// # The life of an entry
//
// The log is two listings, the streams "organization" and "tenant". [Source.Page]
// waits for its turn in the request budget, asks for one page of one listing, cuts
// the body into entries without changing a byte, reads each one's id and time, and
// checks that the page is what was asked for. Normalize maps an entry onto the
// audit schema later, without any I/O.
//
// # What is trusted
//
// Nothing. The API documents neither the order of its listing nor what its cursors
// promise, so a page that does not get further, entries outside the span, "more"
// without a cursor and a body that is not a list are errors, which name the
// request. The pipeline reads again.
//
// # Errors
//
// Every error says what a person can do about it: of answers by the table answers,
// of requests without one by the table troubles. The class for the pipeline follows
// from the status. The admin key is read again as soon as the API refuses it; if
// there is another one by then, the error is one that may pass, and the next
// request sends it.
package openai
