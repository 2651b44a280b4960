package elasticsearch

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

func TestARolloverInTheMiddleOfARepeatIsSeen(t *testing.T) {
	f := newFake()
	k := open(t, f, withStream)
	b := batch(k, 1, 6, day, time.Second)
	// The first attempt reaches the stream, its answer does not.
	f.fault = func(n int, _ *http.Request) fault {
		if n == 1 {
			return unanswered
		}
		return none
	}
	if err := k.Deliver(t.Context(), b); err == nil {
		t.Fatal("deliver: nil although the answer was lost")
	}
	// Half of it is lost with an index that somebody restores later.
	first := f.streams[testStream][0]
	kept := f.indices[first]
	f.indices[first] = nil
	f.before = func(n int) {
		if n == 2 {
			f.rollover(testStream)
			f.indices[first] = kept
		}
	}
	if _, err := k.Resolve(t.Context(), b.Manifest); err != nil {
		t.Fatal(err)
	}
	if err := k.Deliver(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	f.check(t, b)
	if n := len(f.indices[first]); n != 6 {
		t.Errorf("%d documents in the index that had them first, want 6", n)
	}
}

func TestDocumentsOfAStreamSayWhichItIs(t *testing.T) {
	f := newFake()
	k := open(t, f, withStream)
	b := batch(k, 1, 1, day, 0)
	if err := k.Deliver(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Timestamp string                                    `json:"@timestamp"`
		Stream    struct{ Type, Dataset, Namespace string } `json:"data_stream"`
	}
	if err := json.Unmarshal(f.documents()[".ds-"+testStream+"-000001"]["acme:event-1-0"], &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Stream.Type != "logs" || doc.Stream.Dataset != "openai.audit" || doc.Stream.Namespace != "test" || doc.Timestamp != "2026-11-22T00:00:00Z" {
		t.Errorf("%+v", doc)
	}
}
