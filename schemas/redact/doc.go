// Package redact takes fields out of audit events for a destination that must not
// get them, or puts a keyed hash in their place.
//
// A [Policy] names fields of the record. What it takes out of one event is taken
// out of the whole record, not only of the field that was named:
//
//	named field   dropped: left out          hashed: the hash
//	other texts   a text that is the value   likewise
//	              a text that has it as a    "[dropped]", or the hash, in its place
//	              whole word
//	details,      the same inside of every   likewise; a name in changes that is or
//	changes       string, name and number    has the value is left out with its value
//	raw           left out, always
//
// A value that is part of a longer word is another value: user-1 is not found in
// user-12. Letters and digits of ASCII make words, and A to Z may be in another case.
// What is encoded once more, in base64 for one, is not found; drop details if
// payloads do that.
//
// Fields that follow from the catalogue of event types (action, severity, …) and
// those that name the event stay as they are. Redaction is pure and deterministic:
// one event, one policy, one key, one result.
package redact
