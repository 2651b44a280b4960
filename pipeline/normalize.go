package pipeline

// normalize maps the entries of a chunk onto the audit schema. It cannot fail: what
// cannot be mapped becomes a minimal event with problems.
func normalize(src Source) Stage[chunk[Raw], chunk[Event]] {
	return mapped(func(c chunk[Raw]) chunk[Event] {
		return chunk[Event]{stream: c.stream, entries: normalizeAll(src, c.entries), claim: c.claim}
	})
}

func normalizeAll(src Source, raws []Raw) []Event {
	events := make([]Event, len(raws))
	for i, r := range raws {
		events[i] = src.Normalize(r)
	}
	return events
}
