// Package auditlog has the entries of OpenAI's organization audit log as Go types.
//
// [Event] is an entry. Its details are a pointer to the struct of its type, such as
// [APIKeyCreated]; of a type that nobody has documented, the JSON text:
//
//	e, err := auditlog.Decode(body)
//	...
//	switch d := e.Details.(type) {
//	case *auditlog.RoleAssignmentCreated:
//		fmt.Println(d.PrincipalID)
//	case json.RawMessage:
//		fmt.Printf("%s: %s\n", e.Type, d)
//	}
//
// # What is documented
//
// OpenAI publishes a list of types and the payloads of some. Live entries have
// more. A field with the tag audit:"undocumented" was seen in live entries, in
// OpenAI's own examples or in what others published, and is in no specification;
// its comment says so. [Fields] lists the fields of a type with that distinction,
// and a test compares it with OpenAI's client.
//
// # Nothing is lost
//
// The log may have types, members and values that are not in the model. What no
// field holds is kept under its name in Extra, and [Append] writes it again, so that
// an entry decoded and encoded has the same members with the same values. Extra has
// a member that the model does not know, and a known one whose value does not fit:
// null, another type than documented, an empty text or 0 where the field could not
// tell it from a missing one. Optional numbers and booleans, and texts that
// were asked to be changed, are pointers, so that they can.
//
// Names are those of the API; the order of members is fixed and not the one served.
// Nothing here does I/O, and everything is safe for concurrent use as long as no
// event is modified.
package auditlog
