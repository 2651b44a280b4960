package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"auditlog-connector/internal/secret"
	"auditlog-connector/pipeline"
)

// httpHandler answers the HTTP endpoint's requests.
type httpHandler struct {
	token  secret.String
	status func() pipeline.Status
	log    *slog.Logger
	mux    *http.ServeMux
}

// newHTTPHandler returns the handler of / (page), /metrics, /livez, /readyz and /status.
// All but /livez and /readyz need the token, if there is one.
func newHTTPHandler(token secret.String, status func() pipeline.Status, metrics prometheus.Gatherer, page http.Handler, log *slog.Logger) http.Handler {
	h := &httpHandler{token: token, status: status, log: log, mux: http.NewServeMux()}
	h.mux.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") })
	h.mux.HandleFunc("/readyz", h.readyz)
	h.mux.Handle("/metrics", h.guarded(promhttp.HandlerFor(metrics, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	})))
	h.mux.Handle("/status", h.guarded(http.HandlerFunc(h.statusJSON)))
	h.mux.Handle("/{$}", h.guarded(page))
	h.mux.Handle("/", h.guarded(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusNotFound, "not found; there are / /metrics /livez /readyz /status\n")
	})))
	return h
}

// ServeHTTP implements [http.Handler].
func (h *httpHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("X-Frame-Options", "DENY")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		head.Set("Allow", "GET, HEAD")
		writeText(w, http.StatusMethodNotAllowed, "only GET and HEAD\n")
		return
	}
	h.mux.ServeHTTP(w, r)
}

// guarded lets a request through to next if it has the token, or none is needed.
func (h *httpHandler) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.token.IsZero() {
			next.ServeHTTP(w, r)
			return
		}
		// Read each time, so that it can be changed on disk. Without it nobody is
		// let in.
		want, err := h.token.Reveal()
		if err != nil {
			h.log.Warn("http.token cannot be read; nobody is let in", "err", err)
			writeText(w, http.StatusServiceUnavailable, "the token cannot be read\n")
			return
		}
		scheme, got, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if _, password, ok := r.BasicAuth(); ok {
			scheme, got = "Bearer", password // browsers cannot send anything else
		}
		// Hashes have one length, so that the comparison takes one time.
		a, b := sha256.Sum256([]byte(strings.TrimSpace(got))), sha256.Sum256([]byte(want))
		if same := subtle.ConstantTimeCompare(a[:], b[:]) == 1; !same || !strings.EqualFold(scheme, "Bearer") {
			w.Header().Set("WWW-Authenticate", `Bearer realm="connector"`)
			w.Header().Add("WWW-Authenticate", `Basic realm="connector: the token is the password", charset="UTF-8"`)
			writeText(w, http.StatusUnauthorized, "a bearer token is needed\n")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// readiness is what /readyz answers.
type readiness struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons"`
}

// readinessOf says why st is not ready, if it is not: a lane is halted or has not
// recovered, or a source has failed for good. It names no cause: those are for
// whoever has the token.
func readinessOf(st pipeline.Status) readiness {
	r := readiness{Reasons: []string{}}
	for _, s := range st.Sources {
		if s.State == "refused" {
			r.Reasons = append(r.Reasons, fmt.Sprintf("source %s refuses to be read", s.Name))
		}
	}
	for _, l := range st.Lanes {
		switch {
		case l.State == "halted":
			r.Reasons = append(r.Reasons, fmt.Sprintf("lane %s is halted", l.Lane))
		case !l.Recovered:
			r.Reasons = append(r.Reasons, fmt.Sprintf("lane %s has not recovered yet", l.Lane))
		}
	}
	r.Ready = len(r.Reasons) == 0
	return r
}

func (h *httpHandler) readyz(w http.ResponseWriter, _ *http.Request) {
	r := readinessOf(h.status())
	code := http.StatusOK
	if !r.Ready {
		code = http.StatusServiceUnavailable
	}
	writeJSONResponse(w, code, r)
}

func (h *httpHandler) statusJSON(w http.ResponseWriter, _ *http.Request) {
	writeJSONResponse(w, http.StatusOK, describeStatus(h.status()))
}

// statusDocument is the HTTP endpoint's /status.
type statusDocument struct {
	Version string                  `json:"version"`
	Sources []pipeline.SourceStatus `json:"sources"`
	Lanes   []pipeline.LaneStatus   `json:"lanes"`
}

func describeStatus(st pipeline.Status) statusDocument {
	d := statusDocument{programVersion().Version, append([]pipeline.SourceStatus{}, st.Sources...), append([]pipeline.LaneStatus{}, st.Lanes...)}
	for i := range d.Sources {
		d.Sources[i].Streams = append([]pipeline.StreamStatus{}, d.Sources[i].Streams...)
	}
	return d
}

func writeText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text) // the client may be gone
}

func writeJSONResponse(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
