package sqlite

import (
	"log/slog"
	"testing"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
	"auditlog-connector/sinks/sinktest"
)

func TestWhatAPersonIsTold(t *testing.T) {
	sinktest.RunLocal(t, sinktest.Local{
		Open: func(log *slog.Logger) pipeline.Sink {
			return newSink("audit.db", sinks.Env{Source: "acme", Sink: "x", Lane: sinktest.LocalLane, Logger: log})
		},
		Name: "audit.db", Hint: "reset --lane acme/x --start earliest --takeover",
	})
}
