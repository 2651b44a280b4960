// Package ocsf maps audit events onto the Open Cybersecurity Schema Framework,
// version 1.8.0: one JSON document an event.
//
// The type of an event fixes its class, except where the catalogue has an override
// for a payload, so that a lake can be partitioned by type:
//
//	3001  Account Change          an account was made, changed or removed
//	3002  Authentication          a login, a logout, a token given out
//	3004  Entity Management       anything else: keys, projects, certificates, settings
//	3005  User Access Management  a role given to an account, or taken away
//	3006  Group Management        a group, its members, its roles
//
// A document is written in one pass: [Append] first decides which target fills
// which attribute, because a label in the metadata says when the class requires an
// attribute that the payload does not give, then writes. What it writes it may also
// note as an observable; those come at the end.
//
// [Table] says which attribute comes from what.
package ocsf
