// Package strictyaml decodes YAML into Go structs and reports everything that is
// wrong with it at once, each with line, column, path and, where there is one, a
// hint.
//
// A key that the struct does not have, a value of another type and a key given
// twice are problems. Variables (${env:NAME}, ${file:PATH}) are expanded in
// scalar values after parsing, never in the text, so that what they hold cannot
// change the document's structure. Messages quote a value as it is written in
// the file and never what a variable expanded to: it may be a secret.
//
// Parse reads the text, [Decode] fills a struct, [DecodeConfig] does that with
// defaults and validation, as sources and sinks need it.
package strictyaml
