package testserver

import "testing"

func TestRegistryStarts(t *testing.T) {
	Require(t)
	r := StartRegistry(t)
	if err := r.Put(t.Context(), "/config", `{"compatibility":"FULL"}`); err != nil {
		t.Error(err)
	}
}
