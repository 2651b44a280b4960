// Package control is how the operator's commands talk to a connector that runs:
// JSON over HTTP through a Unix socket beside the checkpoint. Only the user whose
// connector it is, and root, are answered.
//
// The socket belongs to whoever has the checkpoint locked. A socket that is there
// when a connector has just locked its checkpoint was left by one that died.
package control
