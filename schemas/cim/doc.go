// Package cim maps audit events to flat documents with the field names of Splunk's
// Common Information Model: its data models Authentication and Change.
//
// [Append] is the mapping, [Tags] the tags that put an event into its data set, and
// [Table] says field by field where it takes its values from. Model, data set, tags,
// action, object_category and change_type are the catalogue's.
//
// Documents hold what a search wants to have as fields. Splunk names the fields of
// nested JSON by their paths, so nothing is nested: lists are texts with commas
// between the items. The tags are not in the document, because Splunk derives them
// from event types; neither are the fields that it looks up itself.
//
// In the data set Account_Management, and only there, user is the account that was
// acted on and src_user who acted; elsewhere user is who acted. What the entry does
// not say is left out: the data models make "unknown" of it themselves.
//
// Beside the models' names there are a few of our own, which [Table] marks: what
// identifies the event, how grave it is, and who was given which role.
//
// Texts of more than 8 KiB are only in raw, and so are the items of a list with which
// it would be longer: Splunk extracts fields of at most 10,240 characters. event_id,
// event_type and raw are always whole. An entry that is not valid UTF-8 is base64 in
// raw, and raw_base64 is true.
package cim
