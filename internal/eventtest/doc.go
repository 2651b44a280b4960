// Package eventtest makes the events that tests of the mappings share: samples of
// every type, those of a simulated organization, and entries that break every rule.
package eventtest
