package openaisim

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"
)

// simPrefix is where the simulator tells about itself.
const simPrefix = "/_sim/"

// TruthLine is one line of GET /_sim/truth, the events as [Server.Events] yields
// them. The query parameter visible=true leaves out what cannot be read now, with
// regard to the retention too; digest=true adds the digests.
type TruthLine struct {
	ID          string               `json:"id"`
	EffectiveAt int64                `json:"effective_at"` // Unix seconds
	Type        string               `json:"type"`
	Streams     []string             `json:"streams"`
	VisibleFrom map[string]time.Time `json:"visible_from"`      // by stream
	Deleted     bool                 `json:"deleted,omitempty"` // visible once, and no more
	SHA256      string               `json:"sha256,omitempty"`  // of the body, hexadecimal
}

func (s *Server) serveSim(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet:
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
	case r.URL.Path == simPrefix+"truth":
		q := r.URL.Query()
		s.serveTruth(w, q.Get("visible") == "true", q.Get("digest") == "true")
	case r.URL.Path == simPrefix+"stats":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.Stats()) // the client may be gone
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) serveTruth(w http.ResponseWriter, visible, digest bool) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(out)
	for e := range s.Events() {
		if visible && !s.readable(&e) {
			continue
		}
		line := TruthLine{
			ID: e.ID, EffectiveAt: e.EffectiveAt.Unix(), Type: e.Type, Streams: e.Streams(),
			VisibleFrom: make(map[string]time.Time, 2), Deleted: e.Deleted,
		}
		for _, stream := range line.Streams {
			line.VisibleFrom[stream], _ = e.VisibleFrom(stream)
		}
		if digest {
			sum := sha256.Sum256(e.Body)
			line.SHA256 = hex.EncodeToString(sum[:])
		}
		if enc.Encode(line) != nil {
			return // the client is gone
		}
	}
	_ = out.Flush()
}

// readable reports whether an event is in some listing now.
func (s *Server) readable(e *Event) bool {
	cfg := s.cfg.Load()
	now := cfg.Now()
	if e.Deleted || cfg.Retention > 0 && e.EffectiveAt.Unix() < now.Add(-cfg.Retention).Unix() {
		return false
	}
	for _, stream := range e.Streams() {
		if from, ok := e.VisibleFrom(stream); ok && !from.After(now) {
			return true
		}
	}
	return false
}
