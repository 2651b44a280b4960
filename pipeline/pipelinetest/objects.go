package pipelinetest

import "auditlog-connector/pipeline"

func (s *Sink) claimKey() string { return s.prefix + "_connector/" + s.lane + ".json" }

// claimObject reads the lane's claim object and lists its batches; the commit is a
// write that is refused if the claim changed in between.
func (s *Sink) claimObject(cp pipeline.Checkpoint, takeover bool) (func() error, error) {
	key := s.claimKey()
	read := s.d.claims[key]
	found := read
	if read != nil {
		found = &pipeline.Marker{Epoch: read.Epoch}
		for _, a := range s.d.objects {
			if a.ID.Lane == s.lane && a.ID.Epoch == read.Epoch && (found.Digest == "" || a.ID.Seq > found.Seq) {
				found.Seq, found.Digest = a.ID.Seq, a.Digest
			}
		}
	}
	claim, write, err := found.Claim(cp, takeover)
	if err != nil || !write {
		return nil, err
	}
	return func() error {
		if s.d.claims[key] != read {
			return fenced("the claim of lane %s was changed meanwhile", s.lane)
		}
		s.d.claims[key] = &pipeline.Marker{Epoch: claim.Epoch}
		return nil
	}, nil
}

// putObject reads the claim; the commit is a put with If-None-Match, which does
// not look at the claim again however late it comes.
func (s *Sink) putObject(b pipeline.Batch) (func() error, error) {
	switch claim := s.d.claims[s.claimKey()]; {
	case claim == nil:
		return nil, fenced("the destination has no claim of lane %s", s.lane)
	case claim.Epoch != b.ID.Epoch:
		return nil, fenced("the destination knows epoch %s, this is %s", claim.Epoch, b.ID.Epoch)
	}
	return func() error {
		if there := s.d.objects[b.Place]; there != nil {
			return there.judge(b.Manifest)
		}
		a, err := s.take(b)
		s.d.objects[b.Place] = a
		s.d.applied = append(s.d.applied, a)
		return err
	}, nil
}

// head looks for the batch's object.
func (s *Sink) head(m pipeline.Manifest) (pipeline.Outcome, error) {
	there := s.d.objects[m.Place]
	if there == nil {
		return pipeline.OutcomeAbsent, nil
	}
	if there.Digest != digestOf(m) {
		return pipeline.OutcomeUnknown, there.judge(m)
	}
	return pipeline.OutcomeCommitted, there.judge(m)
}

// judge compares the object that is there with the batch that belongs there.
func (a *Applied) judge(m pipeline.Manifest) error {
	if a.Digest != digestOf(m) {
		return fenced("object %q has other members", a.Place)
	}
	return a.refusals()
}
