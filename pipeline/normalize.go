package pipeline

// normalize maps the entries of a chunk onto the audit schema, and counts those of a
// type that the catalogue does not have. It cannot fail: what cannot be mapped
// becomes a minimal event with problems.
func normalize(src Source, unknown func(eventType string)) Stage[chunk[Raw], chunk[Event]] {
	return mapped(func(c chunk[Raw]) chunk[Event] {
		events := normalizeAll(src, c.entries)
		for i := range events {
			if !events[i].Audit.KnownType {
				unknown(events[i].Audit.EventType)
			}
		}
		return chunk[Event]{stream: c.stream, entries: events, claim: c.claim}
	})
}

func normalizeAll(src Source, raws []Raw) []Event {
	events := make([]Event, len(raws))
	for i, r := range raws {
		events[i] = src.Normalize(r)
	}
	return events
}
