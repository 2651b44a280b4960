package pipeline

import (
	"bytes"

	"auditlog-connector/schemas"
)

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

// encodeInto encodes records in place.
func encodeInto(records []Record) []Record {
	var p schemas.Packer
	for i := range records {
		pack(&p, &records[i])
	}
	return records
}

// pack encodes r in place. Its entry is a part of the encoding afterwards: the page
// that it was read from is not kept by it.
func pack(p *schemas.Packer, r *Record) {
	whole := bytes.Equal(r.Body, r.Audit.Raw) // one and the same, as a rule
	r.Avro = p.Pack(&r.Audit)
	if whole {
		r.Body = r.Audit.Raw
	}
}

// toRecords is what both stages do, for entries that do not come through the
// channels: a lane's own walk and the rebuilding of a batch in doubt.
func toRecords(src Source, raws []Raw) []Record {
	records := make([]Record, len(raws))
	for i, r := range raws {
		records[i].Event = src.Normalize(r)
	}
	return encodeInto(records)
}
