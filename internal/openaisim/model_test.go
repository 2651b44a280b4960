package openaisim

import (
	"bytes"
	"encoding/json"
	"testing"

	"auditlog-connector/sources/openai/auditlog"
)

// The simulator puts an event together by hand, for speed: names and order have to
// be the model's.
func TestEventsAreThoseOfTheModel(t *testing.T) {
	s, _ := plain(t, Config{Events: 6_000})
	typed, usual := map[string]bool{}, 0
	for e := range s.Events() {
		event, err := auditlog.Decode(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		text, err := auditlog.Append(nil, event)
		if err != nil {
			t.Fatal(err)
		}
		if _, raw := event.Details.(json.RawMessage); event.Details != nil && !raw {
			typed[e.Type] = true
		}
		// Members that the model does not have, and null, come last.
		if event.Extra != nil || bytes.Contains(e.Body, []byte(`"x_`)) {
			continue
		}
		usual++
		if !bytes.Equal(text, e.Body) {
			t.Fatalf("in the model it is\n%s, and it was\n%s", text, e.Body)
		}
		if event.ID != e.ID || event.Type != e.Type || !event.Time().Equal(e.EffectiveAt) {
			t.Fatalf("the model reads %+v from %s", event, e.Body)
		}
	}
	if usual < 4_500 {
		t.Errorf("only %d of 6,000 events compared", usual)
	}
	for _, name := range auditlog.Types() {
		if !typed[name] && name != "login.succeeded" && name != "logout.succeeded" {
			t.Errorf("no %s with the struct of its payload", name)
		}
	}
}
