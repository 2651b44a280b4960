package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/pipelinetest"
)

// fullSink cannot be claimed until its disk has room.
type fullSink struct {
	*pipelinetest.Sink
	until time.Time
	asked int
}

func (s *fullSink) Claim(ctx context.Context, cp pipeline.Checkpoint, takeover bool) error {
	s.asked++
	if time.Now().Before(s.until) {
		return errors.New("no space left on device")
	}
	return s.Sink.Claim(ctx, cp, takeover)
}

func TestDestinationThatCannotBeClaimedIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org"))
		var log bytes.Buffer
		p.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		p.cfg.Once = true
		d := pipelinetest.NewDestination(pipelinetest.Transactions)
		p.dests["full"] = d
		s := &fullSink{Sink: d.Open("acme/full", nil), until: time.Now().Add(time.Hour)}
		p.sink("full", s)
		p.log.write("org", "e")
		p.start()
		time.Sleep(30 * time.Minute)
		if st := p.laneStatus("full"); !strings.Contains(st.Reason, "no space left") {
			t.Errorf("status: %+v", st)
		}
		if err := <-p.done; err != nil {
			t.Error(err)
		}
		p.wantContents("full", p.log.written())
		for message, want := range map[string]int{`msg="destination not claimed, trying again" lane=acme/full err="claim: no space left on device"`: 1, `msg="destination claimed"`: 1} {
			if got := strings.Count(log.String(), message); got != want {
				t.Errorf("%q is logged %d times, want %d, after %d attempts:\n%s", message, got, want, s.asked, &log)
			}
		}
		if s.asked < 10 {
			t.Errorf("asked %d times: the test shows nothing", s.asked)
		}
	})
}
