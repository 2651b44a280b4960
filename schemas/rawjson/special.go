package rawjson

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// The same byte in all eight places of a word.
const (
	ones   = 0x0101010101010101
	highs  = 0x80 * ones
	spaces = ' ' * ones
	quotes = '"' * ones
	slants = '\\' * ones
)

// Special returns the index, at or after from, of the first byte that means
// something inside a JSON string: a quote, a backslash, a control character. It is
// len(b) if there is none.
func Special(b []byte, from int) int {
	i := from
	for ; i+8 <= len(b); i += 8 {
		if n := firstSpecial(binary.LittleEndian.Uint64(b[i:])); n < 8 {
			return i + n
		}
	}
	for i < len(b) && !special[b[i]] {
		i++
	}
	return i
}

// firstSpecial returns which of the eight bytes of w, the lowest first, is special;
// 8: none. A byte below n borrows from its place when n is taken away, and its
// highest bit shows it; that the bytes above may be wrong then does not matter.
func firstSpecial(w uint64) int {
	quote, slant := w^quotes, w^slants
	found := ((w-spaces)&^w | (quote-ones)&^quote | (slant-ones)&^slant) & highs
	return bits.TrailingZeros64(found) / 8
}

// plainASCII returns the index, at or after from, of the first byte of s that a JSON
// string cannot hold as it is, or that is not ASCII.
func plainASCII(s string, from int) int {
	i := from
	for ; i+8 <= len(s); i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		if w&highs != 0 || firstSpecial(w) < 8 {
			break
		}
	}
	for i < len(s) && s[i] < utf8.RuneSelf && !special[s[i]] {
		i++
	}
	return i
}
