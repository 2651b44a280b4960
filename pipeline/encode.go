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
	for i := range events {
		records[i].Event = events[i]
	}
	return encodeInto(records)
}

// encodeInto encodes records in place, all into one piece of memory.
func encodeInto(records []Record) []Record {
	size := 0
	for i := range records {
		a := &records[i].Audit
		size += len(a.Raw) + len(a.Details) + encodedFields
	}
	buf := make([]byte, 0, size)
	for i := range records {
		from := len(buf)
		buf = schemas.Encode(buf, &records[i].Audit)
		records[i].Avro = buf[from:len(buf):len(buf)]
	}
	return records
}

// encodedFields is about how many bytes the fields of an event take beside its raw
// entry and its details.
const encodedFields = 512

// toRecords is what both stages do, for entries that do not come through the
// channels: a lane's own walk and the rebuilding of a batch in doubt.
func toRecords(src Source, raws []Raw) []Record {
	records := make([]Record, len(raws))
	for i, r := range raws {
		records[i].Event = src.Normalize(r)
	}
	return encodeInto(records)
}
