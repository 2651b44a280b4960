package rawjson

import (
	"fmt"
	"strings"
	"testing"
)

func TestKeptStringsStayAsTheyWere(t *testing.T) {
	var k keeper
	buf := make([]byte, 0, 2*pieceSize)
	var want, got []string
	for n := range 3 * pieceSize {
		size := n * 7 % (apart + 100)
		buf = append(buf[:0], strings.Repeat(fmt.Sprint(n%10), size)...)
		want, got = append(want, string(buf)), append(got, k.keep(buf))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("string %d became %.20q, want %.20q", i, got[i], want[i])
		}
	}
}

func TestShortStringsShareMemoryAndLongOnesDoNot(t *testing.T) {
	var k keeper
	short, long := []byte("one"), make([]byte, apart+1)
	if n := testing.AllocsPerRun(100, func() { k.keep(short) }); n > 0 {
		t.Errorf("a short string takes memory of its own, %v times", n)
	}
	used := k.piece.Len()
	if n := testing.AllocsPerRun(100, func() { k.keep(long) }); n < 1 || k.piece.Len() != used {
		t.Errorf("a long string has taken %d bytes of what is shared, %v allocations", k.piece.Len()-used, n)
	}
}
