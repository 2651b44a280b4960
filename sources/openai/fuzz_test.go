package openai

import (
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"auditlog-connector/pipeline"
	"auditlog-connector/sources"
)

// FuzzPageIsWhatWasAskedFor reads any body as the answer to any request: it is a
// page of the span that gets further than the one before, or an error in one line.
func FuzzPageIsWhatWasAskedFor(f *testing.F) {
	for _, body := range pages {
		f.Add([]byte(body), int64(0), int64(0), "")
	}
	entries := `{"data":[{"id":"a","effective_at":1770979925},{"id":"b","effective_at":"1770979924.5"}],"has_more":true,"last_id":"b"}`
	f.Add([]byte(entries), int64(1770979924), int64(1770979926), "")
	f.Add([]byte(entries), int64(1770979925), int64(1770979926), "b")
	f.Add([]byte(`{"data":[{"effective_at":1},{"id":7}],"has_more":true,"last_id":"x"}{"data":[],"has_more":false}`), int64(0), int64(2), "x")
	config := defaults()
	s, err := open(&config, sources.Env{Source: "acme", Logger: slog.New(slog.DiscardHandler), Now: time.Now, Registerer: prometheus.NewRegistry()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, since, until int64, after string) {
		req := pipeline.PageRequest{Stream: StreamOrganization, Since: time.Unix(since, 0).UTC()}
		if until > since {
			req.Until = time.Unix(until, 0).UTC()
		}
		if !utf8.ValidString(after) {
			return // no cursor of ours
		}
		page, err := s.read(body, req, cursor{After: after})
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("%q: want one line", err)
			}
			return
		}
		for _, e := range page.Entries {
			if e.ID == "" || e.Time.Before(req.Since) || !req.Until.IsZero() && !e.Time.Before(req.Until) || e.Stream != req.Stream {
				t.Errorf("entry %q of %s, %s: not what was asked for", e.ID, e.Time, e.Stream)
			}
		}
		if page.Next == "" {
			return
		}
		next, err := decodeCursor(page.Next)
		if err != nil || next.After == after {
			t.Errorf("after %q comes %q, %v: want another one", after, next.After, err)
		}
	})
}
