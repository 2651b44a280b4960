//go:build measure && unix

package splunkhec

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/sinktest"
	"auditlog-connector/sinks/splunkhec/hectest"
)

// compared is how many events the comparisons deliver, in requests of so many bytes.
const (
	compared     = 20000
	comparedSize = 250_000
)

// loop is what a script does with records: a request that is refused is given up, one
// without an answer is sent again.
func loop(t *testing.T, server http.RoundTripper, records []pipeline.Record) {
	post := poster(t, &http.Client{Transport: server}, "http://hec.invalid:8088")
	for body := range envelopes(t, records, comparedSize) {
		for {
			if status, _ := post(body); status != 0 {
				break
			}
		}
	}
}

// deliver delivers records in batches of the default size and returns which were
// rejected.
func deliver(t *testing.T, s *sink, records []pipeline.Record) (rejected []string) {
	size := Type.Batch().MaxEvents
	for seq := uint64(1); len(records) > 0; seq++ {
		n := min(size, len(records))
		b := sinktest.Batch(pipeline.BatchID{Lane: lane, Epoch: epoch, Seq: seq}, records[:n])
		_, err := settle(t, s, b, false)
		var bad *pipeline.RejectedError
		if err != nil && !errors.As(err, &bad) {
			t.Fatal(err)
		}
		if bad != nil {
			for i := range bad.Records {
				rejected = append(rejected, b.Records[i].ID)
			}
		}
		records = records[n:]
	}
	return rejected
}

// count returns how many of records the server lacks, and how many more events than
// different ones it has.
func count(server *hectest.Server, records []pipeline.Record) (missing, repeated int) {
	copies := server.Copies("event_id")
	for _, r := range records {
		switch n := copies[r.ID]; {
		case n == 0:
			missing++
		default:
			repeated += n - 1
		}
	}
	return missing, repeated
}

// TestOneBadEvent delivers events of which the collector refuses one.
func TestOneBadEvent(t *testing.T) {
	records := sampleRecords(t, compared)
	bad := compared / 3
	makeBad(&records[bad])
	synctest.Test(t, func(t *testing.T) {
		for _, code := range []int{6, 12, 15} {
			server := newServer(hectest.Config{Refuse: refuseBad(code)})
			s := open(t, server, testConfig(func(c *Config) { c.MaxContentLength = comparedSize }))
			rejected := deliver(t, s, records)
			s.Close()
			missing, repeated := count(server, records)
			if missing != 1 || repeated != 0 || len(rejected) != 1 || rejected[0] != records[bad].ID {
				t.Errorf("code %d: this sink: %d missing, %d repeated, rejected %v; want the bad one missing and reported", code, missing, repeated, rejected)
			}
			server = newServer(hectest.Config{Refuse: refuseBad(code)})
			loop(t, server, records)
			lost, twice := count(server, records)
			t.Logf("code %d, %d events: this sink: %d missing and reported, %d repeated; plain loop: %d missing, %d repeated", code, compared, missing, repeated, lost, twice)
		}
	})
}

// TestEverySeventhAnswerLost delivers to a collector that takes every request and
// leaves every seventh without an answer.
func TestEverySeventhAnswerLost(t *testing.T) {
	records := sampleRecords(t, compared)
	newLossy := func() *hectest.Server {
		posts := 0
		return newServer(hectest.Config{Fault: func(_ int, r *http.Request) hectest.Fault {
			if isPost(r) {
				if posts++; posts%7 == 0 {
					return hectest.FaultUnanswered
				}
			}
			return hectest.FaultNone
		}})
	}
	synctest.Test(t, func(t *testing.T) {
		for _, way := range []struct {
			name   string
			change func(c *Config)
			none   bool // repeats
		}{
			{"this sink, with search", withSearch, true},
			{"this sink, without", func(*Config) {}, false},
		} {
			server := newLossy()
			s := open(t, server, testConfig(func(c *Config) { c.MaxContentLength = comparedSize; way.change(c) }))
			deliver(t, s, records)
			s.Close()
			missing, repeated := count(server, records)
			if missing != 0 || way.none && repeated != 0 {
				t.Errorf("%s: %d missing, %d repeated", way.name, missing, repeated)
			}
			t.Logf("%s: %d missing, %d of %d repeated (%.1f %%)", way.name, missing, repeated, compared, 100*float64(repeated)/compared)
		}
		server := newLossy()
		loop(t, server, records)
		missing, repeated := count(server, records)
		t.Logf("plain loop: %d missing, %d of %d repeated (%.1f %%)", missing, repeated, compared, 100*float64(repeated)/compared)
	})
}
