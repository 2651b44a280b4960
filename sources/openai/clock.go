package openai

import "time"

// maxSkew is how far the clocks may be apart before anybody is told.
const maxSkew = 30 * time.Second

// skew returns how far our clock was ahead of the server's, negative if behind, and
// whether that is more than [maxSkew] beyond doubt: the Date is cut to seconds, and
// was written at some time between the request and the answer.
func (a *answer) skew() (ahead time.Duration, far bool) {
	if a.date.IsZero() {
		return 0, false
	}
	took := a.answered.Sub(a.sent)
	ahead = a.sent.Add(took / 2).Sub(a.date.Add(time.Second / 2))
	far = ahead.Abs()-(took+time.Second)/2 >= maxSkew
	if ahead.Abs() >= 10*time.Minute {
		return ahead.Round(time.Minute), far
	}
	return ahead.Round(time.Second), far
}

// together: the clocks agree.
const together = "together"

// compareClocks logs when our clock leaves the server's, and when it is back.
func (s *Source) compareClocks(a *answer) {
	ahead, far := a.skew()
	state := together
	switch {
	case far && ahead > 0:
		state = "ahead"
	case far:
		state = "behind"
	}
	if a.date.IsZero() || !s.clocks.changed(state) {
		return
	}
	if !far {
		s.log.Info("this host's clock agrees with the server's again")
		return
	}
	s.log.Warn("this host's clock differs from the server's, by which the connector works", "ahead", ahead.String())
}
