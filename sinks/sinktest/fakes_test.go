package sinktest_test

import (
	"errors"
	"testing"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/pipelinetest"
	"auditlog-connector/sinks/sinktest"
)

// The fakes of pipelinetest are trusted because they pass what the sinks pass.
func TestFakes(t *testing.T) {
	for _, kind := range pipelinetest.Kinds {
		t.Run(kind.String(), func(t *testing.T) {
			d := pipelinetest.NewDestination(kind)
			d.SetPrefix("audit/")
			d.SetReject(func(r *pipeline.Record) error {
				if r.Audit.SeverityReason == "refuse me" {
					return errors.New("mapping conflict")
				}
				return nil
			})
			sinktest.Run(t, harness(d))
			for _, v := range d.Violations() {
				t.Error(v)
			}
		})
	}
}

func harness(d *pipelinetest.Destination) sinktest.Harness {
	var armed func() pipelinetest.Fate
	fates := map[sinktest.Fault]pipelinetest.Fate{
		sinktest.Lost: pipelinetest.FateLost, sinktest.Unanswered: pipelinetest.FateUnanswered,
		sinktest.Late: pipelinetest.FateLate, sinktest.Throttled: pipelinetest.FateThrottled,
		sinktest.Cancelled: pipelinetest.FatePass,
	}
	kind := d.Kind()
	return sinktest.Harness{
		Open: func(_ *testing.T, lane string) pipeline.Sink {
			return d.Open(lane, func(op string) pipelinetest.Fate {
				if op != pipelinetest.OpDeliver || armed == nil {
					return pipelinetest.FatePass
				}
				fate := armed()
				armed = nil
				return fate
			})
		},
		Contents: func(*testing.T) map[string]int { return d.Contents() },
		Inject: func(_ *testing.T, f sinktest.Fault, cancel func()) (func(), bool) {
			before := d.Late()
			armed = func() pipelinetest.Fate {
				if f == sinktest.Cancelled {
					cancel()
				}
				return fates[f]
			}
			return func() {
				if d.Late() > before {
					d.Release(before)
				}
			}, true
		},
		Refused: func(r *pipeline.Record) {
			r.Audit.SeverityReason = "refuse me"
			*r = sinktest.Encoded(r.Event)
		},
		Guarantee: kind.Guarantee(),
		Resolves:  kind.Claims(),
		Members:   kind.Claims(),
		Claims:    kind.Claims(),
	}
}
