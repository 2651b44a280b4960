// Package rawjson reads JSON text in place: one pass checks it as strictly as
// encoding/json does and notes where its values lie, without building maps.
//
// [Parse] accepts exactly the texts that [encoding/json.Valid] accepts, which
// includes strings that are not valid UTF-8: what is read from them has U+FFFD in
// the place of each bad byte. Of members with the same name the last one counts.
//
// Only the upper eight levels can be walked; a value below them is part of the
// text of the one that holds it.
//
// Values refer to the text that was parsed; nobody modifies it while they are in
// use. Nothing recurses, so depth costs memory and never the stack.
package rawjson
