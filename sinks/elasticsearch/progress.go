package elasticsearch

import (
	"fmt"
	"maps"

	"auditlog-connector/pipeline"
)

// maxID is the longest id of a document, in bytes; a longer one has the whole
// request refused.
const maxID = 512

// progress is what is known of the batch that was last delivered or resolved, in
// this process. It goes when the next batch comes.
type progress struct {
	id       pipeline.BatchID
	digest   [32]byte
	members  []pipeline.Position
	ids      []string // of the documents
	done     []bool   // there, or rejected
	left     int      // not done
	rejected map[int]error
	doubt    bool // something of it may be there without our knowing

	write string // the index that took documents when the ids were looked up; data streams only
}

func newProgress(source string, m *pipeline.Manifest) *progress {
	n := len(m.Members)
	p := &progress{id: m.ID, digest: m.Digest(), members: m.Members, ids: make([]string, n), done: make([]bool, n), left: n, rejected: make(map[int]error)}
	for i, member := range m.Members {
		p.ids[i] = documentID(source, member.ID)
		if len(p.ids[i]) > maxID {
			p.reject(i, fmt.Errorf("the document's id has %d bytes, and may have %d", len(p.ids[i]), maxID))
		}
	}
	return p
}

// of reports whether p is about m.
func (p *progress) of(m *pipeline.Manifest) bool {
	return p != nil && p.id == m.ID && p.digest == m.Digest()
}

// confirm notes that record i is in the destination.
func (p *progress) confirm(i int) {
	if !p.done[i] {
		p.done[i] = true
		p.left--
	}
}

// reject notes that the destination does not take record i.
func (p *progress) reject(i int, why error) {
	p.rejected[i] = why
	p.confirm(i)
}

// todo returns the records that are not done.
func (p *progress) todo() []int {
	todo := make([]int, 0, p.left)
	for i, done := range p.done {
		if !done {
			todo = append(todo, i)
		}
	}
	return todo
}

// verdict is the error of a batch that is there: nil, or the records that are not.
func (p *progress) verdict() error {
	if len(p.rejected) == 0 {
		return nil
	}
	return &pipeline.RejectedError{Records: maps.Clone(p.rejected)}
}
