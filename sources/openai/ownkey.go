package openai

import (
	"bytes"
	"log/slog"
	"sync"

	"auditlog-connector/pipeline"
)

// ownKey watches for acts of the key that the connector reads with. It only ever
// reads, which leaves no entry: whatever the log says it did, somebody else did.
type ownKey struct {
	id        []byte // the key's tracking id; empty: nobody told us
	normalize func(pipeline.Raw) pipeline.Event
	log       *slog.Logger

	mu   sync.Mutex
	last pipeline.Position // of the newest act that was reported
}

// watch reports the acts among entries that are newer than what was reported
// before: entries are read many times. One line a page, however many there are.
func (k *ownKey) watch(entries []pipeline.Raw) {
	if len(k.id) == 0 {
		return
	}
	var acts []pipeline.Event
	for _, r := range entries {
		if !bytes.Contains(r.Body, k.id) {
			continue
		}
		if e := k.normalize(r); e.Audit.Actor.APIKeyID == string(k.id) {
			acts = append(acts, e)
		}
	}
	if len(acts) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	n, newest := 0, acts[0]
	for _, e := range acts {
		if k.last.Compare(e.Position) >= 0 {
			continue
		}
		n++
		if e.Position.Compare(newest.Position) > 0 {
			newest = e
		}
	}
	if n == 0 {
		return
	}
	k.last = newest.Position
	k.log.Warn("the connector's own key did something, and the connector only reads: somebody else has it", "events", n,
		"event_id", newest.ID, "type", newest.Audit.EventType, "time", newest.Time, "hint", "revoke the key, make another, and look at what it did")
}
