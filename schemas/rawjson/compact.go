package rawjson

// Check reports whether src is valid JSON and, if it is, how deep it goes and
// whether it has white space between its tokens.
func Check(src []byte) (depth int, spaced bool, err error) {
	var open [64]byte
	s := scanner{src: src, open: open[:0]}
	if err := s.run(); err != nil {
		return 0, false, err
	}
	return s.deep, s.spaced, nil
}

// AppendCompact appends src without the white space between its tokens. It does
// not check src, which has to be valid JSON.
func AppendCompact(dst, src []byte) []byte {
	from := 0
	for i := 0; i < len(src); {
		switch c := src[i]; {
		case c == '"':
			i++
			for i < len(src) && src[i] != '"' {
				if src[i] == '\\' {
					i++
				}
				i++
			}
			i++
		case isSpace(c):
			dst = append(dst, src[from:i]...)
			for i < len(src) && isSpace(src[i]) {
				i++
			}
			from = i
		default:
			i++
		}
	}
	return append(dst, src[min(from, len(src)):]...)
}
