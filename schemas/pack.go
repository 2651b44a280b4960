package schemas

// A Packer encodes events for good: their encodings lie one after the other in pieces
// of memory that nothing else is in. The zero value is ready; it is for one goroutine.
type Packer struct{ piece []byte }

// packed is how large a piece is. An encoding that is kept keeps its piece, so a piece
// holds few events; what fits into none has one of its own.
const packed = 32 << 10

// Pack returns what [Encode] makes of e, and has Raw and Details of e be a part of it:
// what they were a part of before, a page with a hundred entries, can go. The result
// is shared with e and not modified.
func (p *Packer) Pack(e *AuditEvent) []byte {
	if n := sizeBound(e); cap(p.piece)-len(p.piece) < n {
		p.piece = make([]byte, 0, max(n, packed))
	}
	from := len(p.piece)
	p.piece = appendEvent(p.piece, e)
	avro := p.piece[from:len(p.piece):len(p.piece)]
	rest := settle(&e.Raw, avro)
	if len(e.Details) > 0 {
		settle(&e.Details, rest)
	}
	return avro
}

// settle has b be the end of avro, which is b's encoding, and returns what lies before that.
func settle(b *[]byte, avro []byte) (rest []byte) {
	at := len(avro) - len(*b)
	if len(*b) > 0 {
		*b = avro[at:len(avro):len(avro)]
	}
	return avro[:at-varintLen(len(*b))]
}

// varintLen returns how many bytes a length takes.
func varintLen(n int) int {
	size := 1
	for v := uint64(n) << 1; v >= 0x80; v >>= 7 {
		size++
	}
	return size
}
