package testserver

import (
	"encoding/json"
	"testing"
)

func TestOpenSearchKeepsWhatItHoldsOverAKill(t *testing.T) {
	Require(t)
	s := StartOpenSearch(t, OpenSearchOptions{})
	s.Must(t, "PUT", "/kept/_create/1", `{"a":1}`)
	s.Kill()
	s.Process.Start()
	var doc struct{ Found bool }
	if err := json.Unmarshal(s.Must(t, "GET", "/kept/_doc/1", ""), &doc); err != nil || !doc.Found {
		t.Fatalf("found %t, %v", doc.Found, err)
	}
}
