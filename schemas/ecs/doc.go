// Package ecs maps audit events to documents of the Elastic Common Schema.
//
// [Append] is the mapping, [Table] says field by field where it takes its values
// from. The category and the type of an event are the catalogue's.
//
// # What has no field in ECS
//
// It goes to openai.audit. Payloads may hold anything, and an index keeps a field
// for every key it has ever seen, of the type it was first seen with. So nothing
// that a payload names becomes a key here: the keys are those of [Table], and the
// values of each are of one type for ever. No document can add fields to an index
// without end, nor be refused because an older one had another type.
//
//   - openai.audit.changes has a name and a value for every requested change. A value
//     is text, or a list of texts: numbers and booleans as they are spelled, objects
//     as JSON text.
//   - openai.audit.details is the payload as JSON text, for full-text search. A
//     flattened object would be nicer to query and is not safe: such fields refuse
//     documents that nest too deep or have long values, differ between Elasticsearch
//     and OpenSearch, and without the index template the object is mapped key by key.
//
// That holds with an index template of [Table]. An index without one guesses from the
// first text in a field whether it is a date, and then refuses other texts: switch
// date_detection off.
//
// # What is left to event.original
//
// A value that the type of a field does not admit (an address that is none, a
// coordinate that is no number), certificates and other PEM text, and what is long:
// texts of more than 8 KiB, changes of more than 1 KiB, items of a list after the
// thousandth. Where something was left out for its length, openai.audit.truncated is
// true. event.id, event.action and event.original are always whole.
//
// An entry that is not valid UTF-8 is base64 in event.original, and
// openai.audit.raw_base64 is true.
package ecs
