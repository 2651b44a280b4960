package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// streams is what is known of a source's streams: which there are, and how the
// head reader fares with each. It is safe for concurrent use.
type streams struct {
	log *slog.Logger

	mu      sync.Mutex
	names   []string // in order of precedence
	state   map[string]*streamState
	changed chan struct{} // closed at the next change
}

// streamState is what the head reader saw last of a stream.
type streamState struct {
	err       error // nil: the last walk was complete, or there was none
	polled    time.Time
	deep      time.Time
	lastEvent time.Time
}

func newStreams(log *slog.Logger) *streams {
	return &streams{log: log, state: make(map[string]*streamState), changed: make(chan struct{})}
}

// add makes names known, after those that are.
func (s *streams) add(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range names {
		if s.state[n] == nil {
			s.names = append(s.names, n)
			s.state[n] = &streamState{}
			s.wake()
		}
	}
}

// order puts names first, in their order. Streams once known stay known.
func (s *streams) order(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := slices.DeleteFunc(slices.Clone(s.names), func(n string) bool { return slices.Contains(names, n) })
	s.names = append(slices.Clone(names), rest...)
	for _, n := range names {
		if s.state[n] == nil {
			s.state[n] = &streamState{}
			s.wake()
		}
	}
}

// wake tells those who wait for a change. The lock is held.
func (s *streams) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// known returns all streams in order of precedence, and a channel that is closed
// when that or a stream's state changes.
func (s *streams) known() ([]string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.names), s.changed
}

// down reports whether the head reader failed to read stream the last time.
func (s *streams) down(stream string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state[stream]
	return st != nil && st.err != nil
}

// report records how a walk of stream ended.
func (s *streams) report(stream string, err error, update func(*streamState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state[stream]
	was := st.err
	st.err = err
	if update != nil {
		update(st)
	}
	switch {
	case was == nil && err != nil:
		s.log.Warn("stream failed", "stream", stream, "err", err)
		s.wake()
	case was != nil && err == nil:
		s.log.Info("stream recovered", "stream", stream)
		s.wake()
	}
}

// refused returns the error of the first stream if all of them fail for good.
func (s *streams) refused() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var first error
	for _, n := range s.names {
		err := s.state[n].err
		if !isRefusal(err) {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// isRefusal reports whether asking again soon cannot help.
func isRefusal(err error) bool { return errors.Is(err, ErrRefused) || IsPermanent(err) }

// status describes the streams.
func (s *streams) status() []StreamStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]StreamStatus, 0, len(s.names))
	for _, n := range s.names {
		st := s.state[n]
		v := StreamStatus{Name: n, State: "ok", LastPoll: timePtr(st.polled), LastDeep: timePtr(st.deep)}
		switch {
		case isRefusal(st.err):
			v.State, v.Reason = "refused", st.err.Error()
		case st.err != nil:
			v.State, v.Reason = "failing", st.err.Error()
		case st.polled.IsZero():
			v.State = "starting"
		}
		out = append(out, v)
	}
	return out
}

// seen notes the event time of what was emitted.
func (s *streams) seen(stream string, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.state[stream]; t.After(st.lastEvent) {
		st.lastEvent = t
	}
}

// lastEvent is the newest event time the head reader has emitted.
func (s *streams) lastEvent() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	var last time.Time
	for _, st := range s.state {
		if st.lastEvent.After(last) {
			last = st.lastEvent
		}
	}
	return last
}

func timePtr(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// discover asks the source which streams there are.
func (s *streams) discover(ctx context.Context, src Source) error {
	st, ok := src.(Streamer)
	if !ok {
		s.order([]string{""})
		return nil
	}
	names, err := st.Streams(ctx)
	if err != nil {
		return err
	}
	s.order(names)
	return nil
}
