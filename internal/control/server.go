package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Error is what a connector could not do, in words for the operator.
type Error struct {
	Message string `json:"error"`
	Usage   bool   `json:"usage"` // the question was wrong, not the connector
}

func (e *Error) Error() string { return e.Message }

// Mux answers questions by name. Make one with [NewMux]; it may be used
// concurrently once all names are there.
type Mux struct{ mux *http.ServeMux }

// NewMux returns a Mux that knows nothing yet.
func NewMux() *Mux { return &Mux{http.NewServeMux()} }

// ServeHTTP implements [http.Handler].
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }

// maxQuestion is how long a question may be.
const maxQuestion = 1 << 20

// Handle makes m answer what by f. An error of f is sent to the operator; usage
// says of one whether the question was wrong. The context of f ends when the
// operator goes away.
func Handle[Q, A any](m *Mux, what string, usage func(error) bool, f func(ctx context.Context, question Q) (A, error)) {
	m.mux.HandleFunc("POST /"+what, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fail := func(code int, e *Error) {
			w.WriteHeader(code)
			_ = json.NewEncoder(w).Encode(e) // the operator may be gone
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuestion))
		var question Q
		if err == nil {
			err = json.Unmarshal(body, &question)
		}
		if err != nil {
			fail(http.StatusBadRequest, &Error{Message: fmt.Sprintf("read the question: %v", err), Usage: true})
			return
		}
		answer, err := f(r.Context(), question)
		if err != nil {
			fail(http.StatusInternalServerError, &Error{Message: err.Error(), Usage: usage(err)})
			return
		}
		_ = json.NewEncoder(w).Encode(answer) // the operator may be gone
	})
}
