// Package charttest tests what is installed into a cluster: the Helm chart, its
// alerts and its dashboard, without a cluster.
package charttest
