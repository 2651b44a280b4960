package registry

import (
	"fmt"
	"strconv"
	"strings"
)

// Entry is what a registry said once: the id of a schema under a subject.
type Entry struct {
	ID          int
	Fingerprint uint64 // of the schema
	Subject     string
	URL         string // of the registry
}

// String returns the entry as one line of text, without credentials.
func (e Entry) String() string {
	return fmt.Sprintf("%d %016x %s %s", e.ID, e.Fingerprint, e.Subject, e.URL)
}

// ParseEntry reads what [Entry.String] wrote.
func ParseEntry(text string) (Entry, bool) {
	parts := strings.Split(text, " ")
	if len(parts) != 4 {
		return Entry{}, false
	}
	id, err := strconv.Atoi(parts[0])
	fingerprint, err2 := strconv.ParseUint(parts[1], 16, 64)
	if err != nil || err2 != nil || id <= 0 {
		return Entry{}, false
	}
	return Entry{ID: id, Fingerprint: fingerprint, Subject: parts[2], URL: parts[3]}, true
}

// Same reports whether both are about the same schema, subject and registry.
func (e Entry) Same(o Entry) bool {
	return e.Fingerprint == o.Fingerprint && e.Subject == o.Subject && e.URL == o.URL
}
