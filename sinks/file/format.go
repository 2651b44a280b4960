package file

import (
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas/document"
)

// lines appends the records, each on a line.
func lines(dst []byte, line document.Append, records []pipeline.Record) []byte {
	for i := range records {
		dst = line(dst, &records[i].Audit)
		dst = append(dst, '\n')
	}
	return dst
}
