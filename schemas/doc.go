// Package schemas is the one record that every destination gets, and what is known
// of the events that become it.
//
// [AuditEvent] is the record. [Encode] and [Decode] write and read its Avro form
// in one pass, without maps or reflection; [Schema] and [Fingerprint] describe it.
// [AppendNormalized] writes its JSON form. All forms of one event are the same
// bytes on every run.
//
// [Catalogue] is the table of event types with their action, object, severity and
// their places in ECS, OCSF and CIM, with rules for the types that nobody has
// listed yet. Package rawjson reads the payloads, and package history the records
// that were written with other versions of the schema.
//
// Nothing here does I/O or looks at a clock, and everything is safe for concurrent
// use.
package schemas
