package main

import (
	"log/slog"
	"os"
	"os/signal"

	"auditlog-connector/pipeline"
)

// dumpOnSignal writes what every source and lane does to the log whenever the
// process gets dumpSignal, until stop is called, which waits. Where there is no
// such signal it does nothing.
func dumpOnSignal(log *slog.Logger, status func() pipeline.Status) (stop func()) {
	if dumpSignal == nil {
		return func() {}
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, dumpSignal)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range asked {
			dump(log, status())
		}
	}()
	return func() {
		signal.Stop(asked)
		close(asked)
		<-done
	}
}

// dump logs st, one line for each stream and lane.
func dump(log *slog.Logger, st pipeline.Status) {
	for _, s := range st.Sources {
		for _, stream := range s.Streams {
			log.Info("state of a stream", "source", s.Name, "state", s.State, "stream", stream.Name, "stream_state", stream.State,
				"last_event", s.LastEvent, "last_poll", stream.LastPoll, "last_deep", stream.LastDeep, "reason", stream.Reason)
		}
	}
	for _, l := range st.Lanes {
		log.Info("state of a lane", "lane", l.Lane, "state", l.State, "recovered", l.Recovered, "attached", l.Attached, "batch", l.Batch,
			"lag_seconds", l.LagSeconds, "watermarks", l.Watermarks, "last_delivery", l.LastDelivery, "read", l.Read, "delivered", l.Delivered,
			"in_flight", l.InFlight, "duplicate", l.Duplicate, "filtered", l.Filtered, "quarantined", l.Quarantined, "late_lost", l.LateLost,
			"released", l.Released, "seen", l.Seen, "reason", l.Reason, "hint", l.Hint)
	}
}
