package openaisim

import (
	"fmt"
	"hash/maphash"
	"math"
	"time"
)

// The two listings of an organization's audit log.
const (
	Organization = "organization"
	Tenant       = "tenant"
)

// streamID indexes what there is one of per listing.
type streamID int

const (
	streamOrganization streamID = iota
	streamTenant
	streams
)

func (s streamID) String() string { return [streams]string{Organization, Tenant}[s] }

// never is the visibility of an event in a listing that it does not belong to.
const never = math.MaxInt64

// Event is one entry of the audit log as the server knows it.
type Event struct {
	// ID is what cursors name the event by, and the id in its body unless the
	// body was made up by whoever published it.
	ID          string
	EffectiveAt time.Time // whole seconds
	Type        string
	Body        []byte // as served, unless the event is of the changing kind; not to be modified

	// Organization and Tenant say from when on the event is visible in each
	// listing; zero: it does not belong there.
	Organization, Tenant time.Time

	Deleted bool // it was visible once and is no more
}

// Streams returns the listings that the event belongs to.
func (e *Event) Streams() []string {
	var names []string
	if !e.Organization.IsZero() {
		names = append(names, Organization)
	}
	if !e.Tenant.IsZero() {
		names = append(names, Tenant)
	}
	return names
}

// VisibleFrom returns the time from which the event is in the listing named
// stream; false: it does not belong there.
func (e *Event) VisibleFrom(stream string) (time.Time, bool) {
	t := e.Organization
	if stream == Tenant {
		t = e.Tenant
	}
	return t, !t.IsZero()
}

// row is an event without pointers: a million of them cost the collector nothing.
type row struct {
	at      int64          // seconds
	visible [streams]int64 // nanoseconds, or never
	chunk   uint32
	pos     uint32 // of the id in the chunk; the body follows it
	size    uint32 // of the body
	typ     uint16
	idSize  uint8
	flags   uint8
}

const (
	flagDeleted  uint8 = 1 << iota
	flagForeign        // the body was published by a caller
	flagChanging       // served with an additional key that differs on every call
)

// chunkSize is how much text is allocated at a time.
const chunkSize = 4 << 20

// store holds every event. It is not safe for concurrent use; the text it returns
// is never modified, so that it may be read without the lock it was found under.
type store struct {
	rows   []row
	chunks [][]byte
	byID   map[uint64]uint32 // hash of the id, probed upwards, to the index in rows
	salt   maphash.Seed
	types  []string
	typeID map[string]uint16
}

func newStore(capacity int) *store {
	return &store{
		rows:   make([]row, 0, capacity),
		byID:   make(map[uint64]uint32, capacity),
		salt:   maphash.MakeSeed(),
		typeID: map[string]uint16{},
	}
}

// put appends id and body to the chunks and returns where they are.
func put(chunks *[][]byte, id, body []byte) (chunk, pos uint32) {
	need := len(id) + len(body)
	last := len(*chunks) - 1
	if last < 0 || cap((*chunks)[last])-len((*chunks)[last]) < need {
		*chunks = append(*chunks, make([]byte, 0, max(chunkSize, need)))
		last++
	}
	c := (*chunks)[last]
	pos = uint32(len(c))
	(*chunks)[last] = append(append(c, id...), body...)
	return uint32(last), pos
}

// intern returns the number of a type.
func (s *store) intern(name string) (uint16, error) {
	if n, ok := s.typeID[name]; ok {
		return n, nil
	}
	if len(s.types) > math.MaxUint16 {
		return 0, fmt.Errorf("more than %d types", len(s.types))
	}
	n := uint16(len(s.types))
	s.types = append(s.types, name)
	s.typeID[name] = n
	return n, nil
}

// add makes a row findable by its id and returns its index.
func (s *store) add(r row) (uint32, error) {
	id := s.chunks[r.chunk][r.pos : r.pos+uint32(r.idSize)]
	k := maphash.Bytes(s.salt, id)
	for ; ; k++ {
		i, taken := s.byID[k]
		if !taken {
			break
		}
		if string(s.id(i)) == string(id) {
			return 0, fmt.Errorf("id %q is taken", id)
		}
	}
	i := uint32(len(s.rows))
	s.byID[k] = i
	s.rows = append(s.rows, r)
	return i, nil
}

// find returns the index of the event that has the id.
func (s *store) find(id string) (uint32, bool) {
	for k := maphash.String(s.salt, id); ; k++ {
		i, ok := s.byID[k]
		if !ok {
			return 0, false
		}
		if string(s.id(i)) == id {
			return i, true
		}
	}
}

func (s *store) id(i uint32) []byte {
	r := &s.rows[i]
	return s.chunks[r.chunk][r.pos : r.pos+uint32(r.idSize)]
}

func (s *store) body(i uint32) []byte {
	r := &s.rows[i]
	from := r.pos + uint32(r.idSize)
	return s.chunks[r.chunk][from : from+r.size : from+r.size]
}

// event returns what the outside sees of a row.
func (s *store) event(i uint32) Event {
	r := &s.rows[i]
	e := Event{
		ID:          string(s.id(i)),
		EffectiveAt: time.Unix(r.at, 0).UTC(),
		Type:        s.types[r.typ],
		Body:        s.body(i),
		Deleted:     r.flags&flagDeleted != 0,
	}
	if v := r.visible[streamOrganization]; v != never {
		e.Organization = time.Unix(0, v).UTC()
	}
	if v := r.visible[streamTenant]; v != never {
		e.Tenant = time.Unix(0, v).UTC()
	}
	return e
}
