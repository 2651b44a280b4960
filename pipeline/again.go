package pipeline

import "context"

// Settle delivers one batch outside of a pipeline, as often as it takes: an
// operator delivers again what a destination refused. The caller has written the
// batch's manifest to the checkpoint (invariant 1), keeps everybody else from the
// lane, and records the batch as delivered if err is nil: what was rejected is in
// quarantine by then.
//
// Otherwise doubt says whether the batch may be at the destination. It then stays
// prepared, for the lane's next life to settle; without doubt it may be given up.
// Refused credentials are an error at once; whatever may pass is tried again
// until ctx is done, and err is then what the last attempt failed with.
func Settle(ctx context.Context, sink Sink, b Batch, inDoubt DoubtPolicy, quarantine Quarantine) (rejected map[int]error, doubt bool, err error) {
	var last error
	s := settler{
		sink: sink, clock: wallClock, quarantine: quarantine, onReject: RejectQuarantine, inDoubt: inDoubt, once: true,
		report: func(a settling) { doubt, last = a.doubt, a.err },
	}
	rejected, err = s.settle(ctx, b, false)
	if err != nil && ctx.Err() != nil && last != nil {
		err = last
	}
	return rejected, doubt, err
}
