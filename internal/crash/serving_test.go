//go:build unix

package crash

import "sync"

// serving counts the requests that a server is at. Its zero value is one at none. It
// may be waited for again and again, also while requests come.
type serving struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n is 0 again; nil: nobody waits
}

func (s *serving) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
}

func (s *serving) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n--; s.n == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// wait returns once there was a moment without any request.
func (s *serving) wait() {
	s.mu.Lock()
	if s.n == 0 {
		s.mu.Unlock()
		return
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	idle := s.idle
	s.mu.Unlock()
	<-idle
}
