package rawjson

import "strings"

// keeper copies strings into pieces of memory that they share, so that most need no
// memory of their own, and what surrounds them in a text is not kept alive by them.
type keeper struct{ piece strings.Builder }

const (
	// pieceSize is how much the shortest string may keep alive.
	pieceSize = 2 << 10
	// apart is the length above which a string has memory of its own.
	apart = 512
)

// keep returns b as a string.
func (k *keeper) keep(b []byte) string {
	if len(b) > apart {
		return string(b)
	}
	if k.piece.Cap()-k.piece.Len() < len(b) {
		k.piece.Reset() // the strings have the old piece
		k.piece.Grow(pieceSize)
	}
	from := k.piece.Len()
	k.piece.Write(b)
	return k.piece.String()[from:]
}
