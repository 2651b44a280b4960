package pipeline

import (
	"errors"
	"fmt"
	"testing"
)

func manifestOf(epoch string, seq uint64, ids ...string) Manifest {
	m := Manifest{ID: BatchID{Lane: "acme/sink", Epoch: epoch, Seq: seq}}
	for _, id := range ids {
		m.Members = append(m.Members, Position{Time: at(0), ID: id})
	}
	return m
}

func TestMarkerJudge(t *testing.T) {
	mark := func(m Manifest, rejected map[int]error) *Marker {
		mk := NewMarker(m, rejected)
		return &mk
	}
	ours := manifestOf("e1", 7, "a", "b")
	for _, tc := range []struct {
		name     string
		marker   *Marker
		outcome  Outcome
		err      error
		rejected int
	}{
		{"same batch", mark(ours, nil), OutcomeCommitted, nil, 0},
		{"same batch with rejects", mark(ours, map[int]error{1: errors.New("too long")}), OutcomeCommitted, nil, 1},
		{"earlier batch", mark(manifestOf("e1", 6, "x"), nil), OutcomeAbsent, nil, 0},
		{"claimed, nothing delivered", &Marker{Epoch: "e1"}, OutcomeAbsent, nil, 0},
		{"later batch", mark(manifestOf("e1", 8, "x"), nil), OutcomeUnknown, ErrFenced, 0},
		{"same number, other members", mark(manifestOf("e1", 7, "a", "c"), nil), OutcomeUnknown, ErrFenced, 0},
		{"same members in another order", mark(manifestOf("e1", 7, "b", "a"), nil), OutcomeUnknown, ErrFenced, 0},
		{"other epoch", mark(manifestOf("e2", 7, "a", "b"), nil), OutcomeUnknown, ErrFenced, 0},
		{"claimed by another epoch", &Marker{Epoch: "e2"}, OutcomeUnknown, ErrFenced, 0},
		{"no marker", nil, OutcomeUnknown, ErrFenced, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.marker.Judge(ours)
			var rejected *RejectedError
			n := 0
			if errors.As(err, &rejected) {
				n, err = len(rejected.Records), nil
			}
			if got != tc.outcome || !errors.Is(err, tc.err) || n != tc.rejected {
				t.Errorf("got %s, %v, %d rejected, want %s, %v, %d", got, err, n, tc.outcome, tc.err, tc.rejected)
			}
		})
	}
}

func TestMarkerKeepsReasons(t *testing.T) {
	m := manifestOf("e1", 1, "a", "b")
	mk := NewMarker(m, map[int]error{1: errors.New("field too long")})
	_, err := mk.Judge(m)
	var rejected *RejectedError
	if !errors.As(err, &rejected) || fmt.Sprint(rejected.Records[1]) != "field too long" {
		t.Errorf("got %v, want the reason of record 1", err)
	}
}

func TestMarkerClaim(t *testing.T) {
	delivered := NewMarker(manifestOf("e1", 7, "a"), nil)
	for _, tc := range []struct {
		name     string
		marker   *Marker
		cp       Checkpoint
		takeover bool
		write    bool
		err      error
	}{
		{"nobody was here", nil, Checkpoint{Epoch: "e1", Next: 1}, false, true, nil},
		{"ours", &delivered, Checkpoint{Epoch: "e1", Next: 8}, false, false, nil},
		{"ours, claimed only", &Marker{Epoch: "e1"}, Checkpoint{Epoch: "e1", Next: 1}, false, false, nil},
		{"destination is ahead", &delivered, Checkpoint{Epoch: "e1", Next: 7}, false, false, ErrForeignEpoch},
		{"destination is ahead, takeover", &delivered, Checkpoint{Epoch: "e1", Next: 7}, true, true, nil},
		{"ours, and numbers were given up since", &delivered, Checkpoint{Epoch: "e1", Next: 12, Last: 7}, false, false, nil},
		{"destination is behind", &delivered, Checkpoint{Epoch: "e1", Next: 9, Last: 8}, false, false, ErrForeignEpoch},
		{"destination is behind, takeover", &delivered, Checkpoint{Epoch: "e1", Next: 9, Last: 8}, true, true, nil},
		{"another epoch", &delivered, Checkpoint{Epoch: "e2", Next: 8}, false, false, ErrForeignEpoch},
		{"another epoch, takeover", &delivered, Checkpoint{Epoch: "e2", Next: 1}, true, true, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, write, err := tc.marker.Claim(tc.cp, tc.takeover)
			if write != tc.write || !errors.Is(err, tc.err) {
				t.Fatalf("got write %v, %v, want %v, %v", write, err, tc.write, tc.err)
			}
			if err == nil && got.Epoch != tc.cp.Epoch {
				t.Errorf("the marker is of epoch %q, want %q", got.Epoch, tc.cp.Epoch)
			}
		})
	}
}
