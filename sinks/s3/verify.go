package s3

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Verification is what Verify found.
type Verification struct {
	Batches  int   `json:"batches"` // looked into
	Events   int   `json:"events"`
	Bytes    int64 `json:"bytes"`
	Epochs   int   `json:"epochs"`   // in the whole lane
	Unproven int   `json:"unproven"` // batches whose digest the content does not give: events without an id
	Problems int   `json:"problems"`
}

// Problem is something that is not as it should be.
type Problem struct {
	Where string `json:"where"` // a location, or a batch
	What  string `json:"what"`
}

// Verify makes sure that the lane is whole: that the numbers of each epoch have no
// gap, that each object of the batches that want selects holds what its metadata
// says, and that no event is in them twice. Report is called for every problem, in
// order.
//
// It remembers 24 bytes for each event. An error means that it could not go on.
func (a *Archive) Verify(ctx context.Context, want func(Entry) bool, report func(Problem)) (Verification, error) {
	var v Verification
	problem := func(where, format string, args ...any) {
		v.Problems++
		report(Problem{where, fmt.Sprintf(format, args...)})
	}
	entries, err := a.List(ctx)
	if err != nil {
		return v, err
	}
	epoch, former, err := a.Owners(ctx)
	if err != nil {
		return v, err
	}
	known := map[string]bool{epoch: true}
	for _, e := range former {
		known[e] = true
	}
	v.Epochs = numbered(entries, known, problem)
	seen := make(map[[16]byte]int32) // where an event was first: the index of its entry
	for i, e := range entries {
		if !want(e) {
			continue
		}
		ids := make(map[int]string)
		facts, err := a.Read(ctx, e, func(ev Event) error {
			ids[ev.Index] = ev.ID
			return nil
		})
		if errors.As(err, new(*ContentError)) {
			problem(e.Location, "%s", errors.Unwrap(err))
			continue
		}
		if err != nil {
			return v, err
		}
		v.Batches++
		v.Events += len(ids)
		v.Bytes += e.Bytes
		switch digest, err := digestOf(e.ID, ids); {
		case errors.Is(err, errNoID):
			v.Unproven++
		case err != nil:
			problem(e.Location, "%s", err)
		case digest != facts.Digest:
			problem(e.Location, "the content's digest is %s, the metadata says %q", digest, facts.Digest)
		}
		if facts.Batch != e.ID.String() {
			problem(e.Location, "the metadata says batch %q, the key says %s", facts.Batch, e.ID)
		}
		if facts.Events != len(ids) {
			problem(e.Location, "%d events, the metadata says %d", len(ids), facts.Events)
		}
		for n := range len(ids) {
			if ids[n] == "" {
				continue
			}
			sum := sha256.Sum256([]byte(ids[n]))
			key := [16]byte(sum[:16])
			if first, twice := seen[key]; twice {
				problem(e.Location, "event %q is also in %s", ids[n], entries[first].Location)
				continue
			}
			seen[key] = int32(i)
		}
	}
	return v, nil
}

// numbered looks for gaps and for numbers that are there twice, and returns how
// many epochs there are. Entries are sorted.
func numbered(entries []Entry, known map[string]bool, problem func(where, format string, args ...any)) (epochs int) {
	var last Entry
	for _, e := range entries {
		if e.ID.Epoch != last.ID.Epoch {
			epochs++
			last = Entry{}
			if !known[e.ID.Epoch] {
				problem("epoch "+e.ID.Epoch, "the claim does not name it: somebody else has written, or the claim was lost")
			}
		}
		switch {
		case e.ID.Seq == last.ID.Seq && last.Key != "":
			problem(e.Location, "batch %d is there twice, also as %s", e.ID.Seq, last.Location)
		case e.ID.Seq == last.ID.Seq+2:
			problem("epoch "+e.ID.Epoch, "batch %d is missing", last.ID.Seq+1)
		case e.ID.Seq > last.ID.Seq+2:
			problem("epoch "+e.ID.Epoch, "batches %d to %d are missing", last.ID.Seq+1, e.ID.Seq-1)
		}
		last = e
	}
	return epochs
}
