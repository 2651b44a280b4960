package pipelinetest

import "auditlog-connector/pipeline"

// begin starts a transaction, which ends the older ones of the lane. It fails if
// another process started one after ours.
func (s *Sink) begin() error {
	if s.gen != 0 && s.gen != s.d.fences[s.lane] {
		return fenced("another process began a transaction of lane %s", s.lane)
	}
	s.d.fences[s.lane]++
	s.gen = s.d.fences[s.lane]
	return nil
}

// commits returns a commit that has no effect once a newer transaction began.
func (s *Sink) commits(commit func() error) func() error {
	gen := s.gen
	return func() error {
		if gen != s.d.fences[s.lane] {
			return fenced("the transaction of lane %s was ended", s.lane)
		}
		return commit()
	}
}

// claimMarker takes the lane over from older processes and writes its marker.
func (s *Sink) claimMarker(cp pipeline.Checkpoint, takeover bool) (func() error, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	marker, write, err := s.d.claims[s.lane].Claim(cp, takeover)
	if err != nil || !write {
		return nil, err
	}
	return s.commits(func() error {
		s.d.claims[s.lane] = &marker
		return nil
	}), nil
}

// transact begins a transaction and judges by the marker; the commit writes records
// and marker in one step, and only the fence can stop it, however late it comes.
func (s *Sink) transact(b pipeline.Batch) (func() error, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	if out, err := s.d.claims[s.lane].Judge(b.Manifest); out != pipeline.OutcomeAbsent {
		return nil, err // there already, with its rejects; or fenced
	}
	return s.commits(func() error {
		a, err := s.take(b)
		marker := pipeline.NewMarker(b.Manifest, a.rejected)
		s.d.claims[s.lane] = &marker
		s.d.applied = append(s.d.applied, a)
		return err
	}), nil
}

// abort ends the lane's older transactions and reads its marker.
func (s *Sink) abort(m pipeline.Manifest) (pipeline.Outcome, error) {
	if err := s.begin(); err != nil {
		return pipeline.OutcomeUnknown, err
	}
	return s.d.claims[s.lane].Judge(m)
}
