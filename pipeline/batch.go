package pipeline

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// BatchID names one delivery of one lane, for ever. Its text form sorts in
// delivery order within an epoch and is safe in object keys and topic records.
type BatchID struct {
	Lane  string `json:"lane"`  // source/sink
	Epoch string `json:"epoch"` // minted when the lane's checkpoint was created
	Seq   uint64 `json:"seq"`
}

// String returns lane/epoch/seq, seq as 20 digits.
func (id BatchID) String() string {
	return fmt.Sprintf("%s/%s/%020d", id.Lane, id.Epoch, id.Seq)
}

// ParseBatchID reads what [BatchID.String] wrote.
func ParseBatchID(s string) (BatchID, error) {
	rest, seq, ok := cutLast(s)
	lane, epoch, ok2 := cutLast(rest)
	n, err := strconv.ParseUint(seq, 10, 64)
	if !ok || !ok2 || err != nil || len(seq) != 20 {
		return BatchID{}, fmt.Errorf("batch id %q: want source/sink/epoch/seq, seq as 20 digits", s)
	}
	return BatchID{Lane: lane, Epoch: epoch, Seq: n}, nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// Manifest names the members of a batch, in delivery order. It is durable before
// the batch is delivered (invariant 1) and never changes (invariant 2).
//
// The maps state the lane's progress per stream once the manifest is committed;
// a manifest without members is a step of progress only and is never delivered.
type Manifest struct {
	ID         BatchID              `json:"id"`
	Members    []Position           `json:"members"`
	Watermarks map[string]time.Time `json:"watermarks"`       // per stream, the lane's once this is committed
	Floors     map[string]time.Time `json:"floors"`           // likewise: what the horizon never goes below again
	Joined     map[string]time.Time `json:"joined,omitempty"` // likewise: see Progress
	Place      string               `json:"place,omitempty"`  // where it goes, if the sink is a Placer
}

// Digest identifies the members by their IDs, in order. One ID with two digests
// means that two connectors own the lane, or that its checkpoint went back in time.
func (m Manifest) Digest() [32]byte {
	h := sha256.New()
	var few []byte // handed over together: a call for each would cost as much as the sum
	for _, p := range m.Members {
		// The length in front keeps ["ab","c"] and ["a","bc"] apart.
		few = binary.BigEndian.AppendUint64(few, uint64(len(p.ID)))
		few = append(few, p.ID...)
		if len(few) >= 2<<10 {
			h.Write(few)
			few = few[:0]
		}
	}
	h.Write(few)
	return [32]byte(h.Sum(nil))
}

// Batch is the unit of delivery: a manifest and the records it names, in order.
type Batch struct {
	Manifest
	Records []Record
}

// BatchPolicy says when a lane cuts a batch: at the first limit that is reached.
type BatchPolicy struct {
	MaxEvents int           // events
	MaxBytes  int           // bytes, as the sink's Sizer counts them, else of the Avro encoding
	MaxAge    time.Duration // since the first event of the batch was admitted
}
