package pipeline

import "auditlog-connector/schemas"

// encode adds the Avro encoding to the events of a chunk. It cannot fail: the
// schema has a place for whatever an event holds.
func encode() Stage[chunk[Event], chunk[Record]] {
	return mapped(func(c chunk[Event]) chunk[Record] {
		return chunk[Record]{stream: c.stream, entries: encodeAll(c.entries), claim: c.claim}
	})
}

func encodeAll(events []Event) []Record {
	records := make([]Record, len(events))
	var buf []byte
	ends := make([]int, len(events))
	for i := range events {
		buf = schemas.Encode(buf, &events[i].Audit)
		ends[i] = len(buf)
	}
	from := 0
	for i := range events {
		records[i] = Record{Event: events[i], Avro: buf[from:ends[i]:ends[i]]}
		from = ends[i]
	}
	return records
}

// toRecords is what both stages do, for entries that do not come through the
// channels: a lane's own walk and the rebuilding of a batch in doubt.
func toRecords(src Source, raws []Raw) []Record {
	return encodeAll(normalizeAll(src, raws))
}
