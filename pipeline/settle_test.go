package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// scripted is a sink, a quarantine and a source of records that answer what they
// are told, and note what they were asked.
type scripted struct {
	deliver []error // answers in turn; nil when they are used up
	resolve []answer
	put     []error
	rebuild error

	calls []string
	kept  map[int]error
}

type answer struct {
	outcome Outcome
	err     error
}

func next[T any](list *[]T) (v T) {
	if len(*list) > 0 {
		v, *list = (*list)[0], (*list)[1:]
	}
	return v
}

func (s *scripted) Deliver(_ context.Context, b Batch) error {
	s.calls = append(s.calls, "deliver")
	if len(b.Records) != len(b.Members) {
		return Permanent(fmt.Errorf("%d records for %d members", len(b.Records), len(b.Members)))
	}
	return next(&s.deliver)
}

func (s *scripted) Resolve(context.Context, Manifest) (Outcome, error) {
	s.calls = append(s.calls, "resolve")
	a := next(&s.resolve)
	return a.outcome, a.err
}

func (s *scripted) Close() error { return nil }

func (s *scripted) Put(_ context.Context, _ Manifest, records []Record, reasons map[int]error) error {
	s.calls = append(s.calls, "put")
	if len(reasons) > 0 && len(records) == 0 {
		return Permanent(errors.New("no records"))
	}
	s.kept = reasons
	return next(&s.put)
}

func (s *scripted) SetAside(context.Context, string, Aside) error { return nil }

func TestSettle(t *testing.T) {
	lost := errors.New("connection reset")
	throttled := &ThrottledError{Err: errors.New("429")}
	refused := Permanent(fmt.Errorf("401: %w", ErrRefused))
	rejected := &RejectedError{Records: map[int]error{1: errors.New("too long")}}
	full := errors.New("disk full")
	for _, tc := range []struct {
		name     string
		sink     scripted
		doubt    bool // a batch of an earlier process, without records
		onReject RejectPolicy
		inDoubt  DoubtPolicy
		once     bool

		calls    []string
		rejected int
		err      error // nil: settled
	}{
		{name: "delivered at once", calls: []string{"deliver"}},
		{name: "any error puts it in doubt: committed", sink: scripted{deliver: []error{lost}, resolve: []answer{{OutcomeCommitted, nil}}},
			calls: []string{"deliver", "resolve"}},
		{name: "any error puts it in doubt: absent", sink: scripted{deliver: []error{lost}, resolve: []answer{{OutcomeAbsent, nil}}},
			calls: []string{"deliver", "resolve", "deliver"}},
		{name: "any error puts it in doubt: unknown, redeliver", sink: scripted{deliver: []error{lost}, resolve: []answer{{OutcomeUnknown, nil}}},
			calls: []string{"deliver", "resolve", "deliver"}},
		{name: "any error puts it in doubt: unknown, halt", sink: scripted{deliver: []error{lost}, resolve: []answer{{OutcomeUnknown, nil}}}, inDoubt: DoubtHalt,
			calls: []string{"deliver", "resolve"}, err: ErrInDoubt},
		{name: "resolve fails: asked again, nothing is delivered", sink: scripted{deliver: []error{lost}, resolve: []answer{{OutcomeAbsent, lost}, {OutcomeUnknown, lost}, {OutcomeCommitted, nil}}},
			calls: []string{"deliver", "resolve", "resolve", "resolve"}},
		{name: "doubt stays while the second attempt is throttled", sink: scripted{deliver: []error{lost, throttled}, resolve: []answer{{OutcomeAbsent, nil}, {OutcomeCommitted, nil}}},
			calls: []string{"deliver", "resolve", "deliver", "resolve"}},
		{name: "throttled is not in doubt", sink: scripted{deliver: []error{throttled, throttled}}, calls: []string{"deliver", "deliver", "deliver"}},
		{name: "permanent halts", sink: scripted{deliver: []error{Permanent(lost)}}, calls: []string{"deliver"}, err: lost},
		{name: "fenced halts", sink: scripted{deliver: []error{ErrFenced}}, calls: []string{"deliver"}, err: ErrFenced},
		{name: "fenced at resolve halts", sink: scripted{deliver: []error{lost}, resolve: []answer{{OutcomeUnknown, ErrFenced}}}, calls: []string{"deliver", "resolve"}, err: ErrFenced},
		{name: "refused is tried again", sink: scripted{deliver: []error{refused, refused}}, calls: []string{"deliver", "deliver", "deliver"}},
		{name: "refused ends a run with once", sink: scripted{deliver: []error{refused}}, once: true, calls: []string{"deliver"}, err: ErrRefused},
		{name: "refused at resolve is asked again", sink: scripted{deliver: []error{lost}, resolve: []answer{{OutcomeUnknown, refused}, {OutcomeCommitted, nil}}},
			calls: []string{"deliver", "resolve", "resolve"}},

		{name: "rejects halt", sink: scripted{deliver: []error{rejected}}, calls: []string{"deliver"}, err: rejected},
		{name: "rejects go to quarantine", sink: scripted{deliver: []error{rejected}}, onReject: RejectQuarantine, calls: []string{"deliver", "put"}, rejected: 1},
		{name: "no rejects clear the quarantine", onReject: RejectQuarantine, calls: []string{"deliver", "put"}},
		{name: "a quarantine that fails is retried without delivering again", sink: scripted{deliver: []error{rejected}, put: []error{full, full}}, onReject: RejectQuarantine,
			calls: []string{"deliver", "put", "put", "put"}, rejected: 1},
		{name: "committed with rejects at resolve", sink: scripted{deliver: []error{lost}, resolve: []answer{{OutcomeCommitted, rejected}}}, onReject: RejectQuarantine,
			calls: []string{"deliver", "resolve", "put"}, rejected: 1},
		{name: "committed with rejects at resolve halts", sink: scripted{deliver: []error{lost}, resolve: []answer{{OutcomeCommitted, rejected}}},
			calls: []string{"deliver", "resolve"}, err: rejected},

		{name: "recovered: committed needs no records", doubt: true, sink: scripted{resolve: []answer{{OutcomeCommitted, nil}}}, calls: []string{"resolve"}},
		{name: "recovered: absent is read again", doubt: true, sink: scripted{resolve: []answer{{OutcomeAbsent, nil}}}, calls: []string{"resolve", "rebuild", "deliver"}},
		{name: "recovered: unknown is delivered again", doubt: true, sink: scripted{resolve: []answer{{OutcomeUnknown, nil}}}, calls: []string{"resolve", "rebuild", "deliver"}},
		{name: "recovered: unknown halts", doubt: true, inDoubt: DoubtHalt, sink: scripted{resolve: []answer{{OutcomeUnknown, nil}}}, calls: []string{"resolve"}, err: ErrInDoubt},
		{name: "recovered: committed with rejects is read again for the quarantine", doubt: true, onReject: RejectQuarantine,
			sink: scripted{resolve: []answer{{OutcomeCommitted, rejected}}}, calls: []string{"resolve", "rebuild", "put"}, rejected: 1},
		{name: "recovered: history lost halts", doubt: true, sink: scripted{resolve: []answer{{OutcomeAbsent, nil}}, rebuild: ErrHistoryLost},
			calls: []string{"resolve", "rebuild"}, err: ErrHistoryLost},
		{name: "recovered: records are read once", doubt: true, sink: scripted{resolve: []answer{{OutcomeAbsent, nil}, {OutcomeAbsent, nil}}, deliver: []error{lost}},
			calls: []string{"resolve", "rebuild", "deliver", "resolve", "deliver"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sink, h := &tc.sink, &handClock{now: at(0)}
			m := manifestOf("e1", 1, "a", "b")
			records := make([]Record, len(m.Members))
			s := &settler{sink: sink, clock: h.clock(), quarantine: sink, onReject: tc.onReject, inDoubt: tc.inDoubt, once: tc.once,
				rebuild: func(context.Context, Manifest) ([]Record, error) {
					sink.calls = append(sink.calls, "rebuild")
					if sink.rebuild != nil {
						return nil, sink.rebuild
					}
					return records, nil
				}}
			b := Batch{Manifest: m, Records: records}
			if tc.doubt {
				b.Records = nil
			}
			got, err := s.settle(t.Context(), b, tc.doubt)
			if !slices.Equal(sink.calls, tc.calls) {
				t.Errorf("calls %v, want %v", sink.calls, tc.calls)
			}
			var refusal *RejectedError
			same := errors.Is(err, tc.err) || errors.As(err, &refusal) && errors.As(tc.err, &refusal)
			if !same || len(got) != tc.rejected || len(sink.kept) != tc.rejected {
				t.Errorf("got %d rejected (%d kept), %v, want %d, %v", len(got), len(sink.kept), err, tc.rejected, tc.err)
			}
			if err != nil && !s.fatal(err) {
				t.Errorf("%v does not halt the lane", err)
			}
		})
	}
}

func TestSettleEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h := &handClock{now: at(0)}
	sink := &scripted{deliver: []error{errors.New("reset")}}
	s := &settler{sink: sink, clock: h.clock(), report: func(a settling) {
		if a.err != nil {
			cancel()
		}
	}}
	_, err := s.settle(ctx, Batch{Manifest: manifestOf("e1", 1, "a"), Records: make([]Record, 1)}, false)
	if !errors.Is(err, context.Canceled) || !slices.Equal(sink.calls, []string{"deliver"}) {
		t.Errorf("got %v after %v, want it to end after one attempt", err, sink.calls)
	}
}

func TestSettleReportsDoubt(t *testing.T) {
	h := &handClock{now: at(0)}
	sink := &scripted{deliver: []error{errors.New("reset"), &ThrottledError{Err: errors.New("429")}}, resolve: []answer{{OutcomeAbsent, nil}, {OutcomeAbsent, nil}}}
	var got []string
	s := &settler{sink: sink, clock: h.clock(), report: func(a settling) {
		got = append(got, fmt.Sprintf("doubt %v resolved %v delivered %v settled %v", a.doubt, a.resolved, a.delivered, a.err == nil))
	}}
	if _, err := s.settle(t.Context(), Batch{Manifest: manifestOf("e1", 1, "a"), Records: make([]Record, 1)}, false); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"doubt true resolved false delivered true settled false",
		"doubt true resolved true delivered true settled false",
		"doubt false resolved true delivered true settled true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
