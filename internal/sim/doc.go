// Package sim is the model world that the engine is tried in: an audit log that
// lives through many processes, with entries that appear late, are dated in the
// future, share seconds and come through two streams; a source that fails, is
// refused and granted, and whose clock is not ours; destinations that lose, delay
// and leave requests unanswered; crashes anywhere.
//
// The world decides every fault by a hash of its seed, the site and how often the
// site was met, never by a shared random generator, so that a fault does not depend
// on the order of goroutines. Its oracle compares what the source returned with
// what the destinations hold, and knows nothing of the engine.
package sim
