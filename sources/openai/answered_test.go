package openai

import (
	"context"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/sources"
)

// What was answered is told with errors too: traces show it.
func TestPageTellsWhatWasAnswered(t *testing.T) {
	const list = `{"data":[{"id":"x","effective_at":150}],"has_more":false}`
	for name, tt := range map[string]struct {
		status  int
		body    string
		entries int
	}{
		"a page":     {200, list, 1},
		"no list":    {200, `{"data":7}`, 0},
		"a refusal":  {403, `{"error":{"message":"no"}}`, 0},
		"a bad day":  {503, ``, 0},
		"slow down!": {429, `{}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			sent := time.Unix(77, 0)
			s := openSource(t, nil, sources.Env{Transport: answering(tt.status, tt.body), Now: func() time.Time { return sent }})
			page, err := s.Page(t.Context(), org(100, 200))
			if page.Status != tt.status || page.Bytes != len(tt.body) || !page.Sent.Equal(sent) || len(page.Entries) != tt.entries || (err == nil) != (tt.entries > 0) {
				t.Errorf("status %d, %d bytes, sent %v, %d entries, %v", page.Status, page.Bytes, page.Sent, len(page.Entries), err)
			}
		})
	}
	s := openSource(t, nil, sources.Env{Transport: answering(200, list)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if page, err := s.Page(ctx, org(100, 200)); err == nil || page.Status != 0 || page.Bytes != 0 || !page.Sent.IsZero() {
		t.Errorf("nothing was answered: %+v, %v", page, err)
	}
	if page, err := s.Page(t.Context(), pipeline.PageRequest{Stream: "none"}); err == nil || page.Status != 0 {
		t.Errorf("nothing was asked: %+v, %v", page, err)
	}
}
