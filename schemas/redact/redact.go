package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"auditlog-connector/schemas"
)

// Policy says what is taken out of a destination's records. Make one with [New].
// It is not modified and may be used concurrently.
type Policy struct {
	rules map[string]rule // by path, groups resolved
	key   []byte
}

type rule uint8

const (
	keep rule = iota
	drop
	hash
)

// MinKey is how long a key has to be, in bytes. Whoever guesses the key can try
// every address there is.
const MinKey = 16

// hashBytes is how much of a hash is kept: 128 bits. Among a billion values two
// meet with a chance of 1 in 10^20, and half of the text is saved. The secrecy is
// the key's, not the length's.
const hashBytes = 16

// New returns the policy that drops and hashes the fields at these paths, groups
// such as "actor" with all that is in them. The key is needed if any is hashed, and
// is copied. It fails if a path is not there, cannot be redacted, or is named twice.
func New(dropped, hashed []string, key []byte) (*Policy, error) {
	p := &Policy{rules: make(map[string]rule), key: slices.Clone(key)}
	set := func(path string, r rule) error {
		if p.rules[path] != keep {
			return fmt.Errorf("%s is named twice, alone or in a group", path)
		}
		p.rules[path] = r
		return nil
	}
	for _, path := range dropped {
		if !slices.Contains(Paths(), path) {
			return nil, fmt.Errorf("drop %s: %w", path, errField(path))
		}
		for _, leaf := range under(path) {
			if err := set(leaf, drop); err != nil {
				return nil, err
			}
		}
	}
	for _, path := range hashed {
		if !slices.Contains(HashPaths(), path) {
			return nil, fmt.Errorf("hash %s: %w", path, errField(path))
		}
		if err := set(path, hash); err != nil {
			return nil, err
		}
	}
	if len(hashed) > 0 && len(key) < MinKey {
		return nil, fmt.Errorf("hash: the key has %d bytes, want at least %d", len(key), MinKey)
	}
	return p, nil
}

func errField(path string) error {
	switch why := Kept(path); {
	case why != "":
		return errors.New("it stays: " + why)
	case slices.Contains(Paths(), path):
		return errors.New("it can be dropped and not hashed")
	}
	return errors.New("there is no such field")
}

// Apply takes out of e what the policy says, and the entry as served; see the
// package's description. It replaces what e points to and modifies nothing of it.
func (p *Policy) Apply(e *schemas.AuditEvent) {
	own(e)
	var gone removed
	texts(e, func(path string, s *string) {
		switch p.rules[path] {
		case drop:
			gone.add(*s, droppedWord)
			*s = ""
		case hash:
			if *s != "" {
				h := p.hash(path, *s)
				gone.add(*s, h)
				*s = h
			}
		}
	})
	gone.seal()
	if p.rules["changes"] == drop || gone.tooMany() {
		// The payload has them as well, in a form of its own.
		e.Changes, e.Details = nil, nil
	}
	if p.rules["details"] == drop {
		e.Details = nil
	}
	if len(gone.values) > 0 {
		texts(e, func(path string, s *string) {
			if p.rules[path] == keep {
				*s = gone.from(*s)
			}
		})
		e.Details = gone.fromJSON(e.Details)
		gone.fromChanges(e.Changes)
	}
	p.tidy(e)
}

// hash returns what stands for a value. The same value has the same hash in every
// field, event and destination with the same key, so that they can be joined. An
// address becomes an address, one of the private range fd00::/8: destinations that
// take nothing else in its place go on working.
func (p *Policy) hash(path, value string) string {
	mac := hmac.New(sha256.New, p.key)
	mac.Write([]byte(value))
	sum := [hashBytes]byte(mac.Sum(nil))
	if path == "actor.ip" {
		sum[0] = 0xfd
		return netip.AddrFrom16(sum).String()
	}
	return hex.EncodeToString(sum[:])
}

// own makes e an event of its own: records are shared between destinations, and what
// e knows of its text holds for the details as served only.
func own(e *schemas.AuditEvent) {
	*e = schemas.AuditEvent{
		EventID: e.EventID, EventType: e.EventType, EffectiveAt: e.EffectiveAt, Stream: e.Stream, Source: e.Source,
		OrganizationID: e.OrganizationID, Action: e.Action, Outcome: e.Outcome, Severity: e.Severity, SeverityReason: e.SeverityReason,
		Actor: e.Actor, Targets: slices.Clone(e.Targets), Project: e.Project, Error: e.Error, Changes: maps.Clone(e.Changes),
		KnownType: e.KnownType, Problems: slices.Clone(e.Problems), Details: e.Details,
	}
	if e.Actor.Geo != nil {
		geo := *e.Actor.Geo
		e.Actor.Geo = &geo
	}
	if e.Project != nil {
		project := *e.Project
		e.Project = &project
	}
	if e.Error != nil {
		failure := *e.Error
		e.Error = &failure
	}
}

// tidy takes out what nothing is left of.
func (p *Policy) tidy(e *schemas.AuditEvent) {
	if p.rules["targets"] == drop {
		e.Targets = nil
	}
	if g := e.Actor.Geo; g != nil && *g == (schemas.Geo{}) {
		e.Actor.Geo = nil
	}
	if q := e.Project; q != nil && *q == (schemas.Project{}) {
		e.Project = nil
	}
	if f := e.Error; f != nil && *f == (schemas.EventError{}) {
		e.Error = nil
	}
	if len(e.Changes) == 0 {
		e.Changes = nil
	}
}
