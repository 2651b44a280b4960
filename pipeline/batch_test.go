package pipeline

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

func TestBatchIDText(t *testing.T) {
	id := BatchID{Lane: "acme/archive", Epoch: "0a1b2c3d", Seq: 17}
	const text = "acme/archive/0a1b2c3d/00000000000000000017"
	if got := id.String(); got != text {
		t.Errorf("got %q, want %q", got, text)
	}
	if got, err := ParseBatchID(text); err != nil || got != id {
		t.Errorf("got %+v, %v, want %+v", got, err, id)
	}
	if next := (BatchID{Lane: id.Lane, Epoch: id.Epoch, Seq: 100}).String(); next <= text {
		t.Errorf("%q sorts before %q", next, text)
	}
	for _, bad := range []string{"", "17", "a/b", "acme/archive/0a1b2c3d/17", "acme/archive/0a1b2c3d/0000000000000000001x", "acme/archive/0a1b2c3d/"} {
		if got, err := ParseBatchID(bad); err == nil {
			t.Errorf("%q: got %+v, want an error", bad, got)
		}
	}
}

func TestDigestTellsMembersApart(t *testing.T) {
	digests := make(map[[32]byte][]string)
	for _, ids := range [][]string{nil, {""}, {"", ""}, {"a"}, {"ab", "c"}, {"a", "bc"}, {"c", "ab"}, {"abc"}} {
		d := manifestOf("e1", 1, ids...).Digest()
		if other, ok := digests[d]; ok {
			t.Errorf("%q and %q have one digest", ids, other)
		}
		digests[d] = ids
	}
	a, b := manifestOf("e1", 1, "a"), manifestOf("e2", 9, "a")
	b.Place, b.Watermarks = "elsewhere", nil
	if a.Digest() != b.Digest() {
		t.Error("the digest depends on more than the members")
	}
}

// Batches that earlier versions wrote down are found again by it.
func TestDigestIsTheSumOfLengthsAndIDs(t *testing.T) {
	var ids []string
	var text []byte
	for n := range 300 {
		if got, want := manifestOf("e1", 1, ids...).Digest(), sha256.Sum256(text); got != want {
			t.Fatalf("%d members: digest %x, want %x", n, got, want)
		}
		id := fmt.Sprintf("audit_log-%d%s", n, strings.Repeat("x", n*n%97))
		if n == 200 {
			id = strings.Repeat("y", 10_000)
		}
		ids = append(ids, id)
		text = append(binary.BigEndian.AppendUint64(text, uint64(len(id))), id...)
	}
}
