// Package wire speaks Kafka's protocol with kafka-go's messages, on connections of
// its own.
//
// A request is one exchange with one broker: no retries, no goroutine behind it, no
// cache that answers in a broker's place. What a caller is told is what happened,
// and a buffer that was handed over is free again once the call returns.
package wire
