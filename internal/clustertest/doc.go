// Package clustertest builds the image, installs the chart into a real Kubernetes
// cluster on this machine, and looks whether every event is in every destination once.
// It has tests only: "make test-kubernetes".
package clustertest
