package file

import (
	"encoding/base64"
	"unicode/utf8"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/rawjson"
)

// A format appends a record as one line, without the newline.
type format func(dst []byte, r *pipeline.Record) []byte

var formats = map[string]format{"normalized": normalized, "raw": raw}

func normalized(dst []byte, r *pipeline.Record) []byte {
	return schemas.AppendNormalized(dst, &r.Audit)
}

// raw is the entry as served without the white space between its tokens. What is
// not JSON in UTF-8 is base64 in an object, as in the other formats.
func raw(dst []byte, r *pipeline.Record) []byte {
	if _, spaced, err := rawjson.Check(r.Audit.Raw); err == nil && utf8.Valid(r.Audit.Raw) {
		if !spaced {
			return append(dst, r.Audit.Raw...)
		}
		return rawjson.AppendCompact(dst, r.Audit.Raw)
	}
	dst = append(dst, `{"raw":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, r.Audit.Raw)
	return append(dst, `","raw_base64":true}`...)
}

// lines appends the records, each on a line.
func lines(dst []byte, line format, records []pipeline.Record) []byte {
	for i := range records {
		dst = line(dst, &records[i])
		dst = append(dst, '\n')
	}
	return dst
}
