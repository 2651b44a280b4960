// Package archtest asserts who may import whom: the table of docs/architecture.md.
// The linter's depguard says the same in the editor.
package archtest
