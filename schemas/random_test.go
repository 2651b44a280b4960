package schemas

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// newRand returns a source of chance and prints its seed.
func newRand(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// randomEvent returns an event with each optional part there or not.
func randomEvent(r *rand.Rand) AuditEvent {
	e := AuditEvent{
		EventID:        randomText(r),
		EventType:      randomText(r),
		EffectiveAt:    time.UnixMilli(firstMilli + r.Int64N(lastMilli-firstMilli+1)).UTC(),
		Stream:         randomText(r),
		Source:         randomText(r),
		OrganizationID: randomText(r),
		Action:         randomText(r),
		Outcome:        randomText(r),
		Severity:       randomText(r),
		SeverityReason: randomText(r),
		Actor: Actor{
			Kind: randomText(r), ID: randomText(r), Email: randomText(r), Name: randomText(r),
			APIKeyID: randomText(r), ServiceAccountID: randomText(r), IP: randomText(r),
			UserAgent: randomText(r), JA3: randomText(r), JA4: randomText(r),
		},
		KnownType: r.IntN(2) == 0,
		Raw:       []byte(randomText(r)),
	}
	if r.IntN(2) == 0 {
		e.Actor.Geo = &Geo{
			Country: randomText(r), Region: randomText(r), RegionCode: randomText(r), City: randomText(r),
			Latitude: randomText(r), Longitude: randomText(r), ASN: randomText(r),
		}
	}
	for range r.IntN(4) {
		e.Targets = append(e.Targets, Target{Type: randomText(r), ID: randomText(r), Name: randomText(r)})
	}
	if r.IntN(2) == 0 {
		e.Project = &Project{ID: randomText(r), Name: randomText(r)}
	}
	if r.IntN(2) == 0 {
		e.Error = &EventError{Code: randomText(r), Message: randomText(r)}
	}
	if n := r.IntN(20); n > 0 {
		e.Changes = make(map[string]string)
		for range n {
			e.Changes[randomText(r)] = randomText(r)
		}
	}
	for range r.IntN(3) {
		e.Problems = append(e.Problems, randomText(r))
	}
	if s := randomText(r); s != "" {
		e.Details = []byte(s)
	}
	return e
}

func randomText(r *rand.Rand) string {
	switch r.IntN(8) {
	case 0, 1, 2:
		return ""
	case 3:
		return strings.Repeat("long ", r.IntN(100))
	case 4:
		return `{"a": [1, 2.50e1, "x\u00e9 y"], "b" : null}`
	}
	alphabet := []rune("abz019_-.\"\\ \n\t\x00\x7fäß検🔎\u2028\uFFFD")
	b := make([]rune, r.IntN(12))
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}
