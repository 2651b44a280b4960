package pipeline

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"
	"weak"
)

// gone fails t unless nothing keeps p in memory.
func gone[T any](t *testing.T, what string, p weak.Pointer[T]) {
	t.Helper()
	runtime.GC()
	if p.Value() != nil {
		t.Errorf("%s is kept in memory", what)
	}
}

// recordsOf makes n records, whose entries lie together as on a page.
func recordsOf(n int) (page weak.Pointer[byte], records []Record) {
	src := newListing(n)
	text := bytes.Repeat([]byte("{}"), n)
	raws := make([]Raw, n)
	for i := range raws {
		raws[i] = entry(fmt.Sprint(i), at(time.Duration(i)*time.Second))
		raws[i].Stream, raws[i].Body = "org", text[2*i:2*i+2]
	}
	return weak.Make(&text[0]), toRecords(src, raws)
}

func TestRecordsDoNotKeepThePage(t *testing.T) {
	page, records := recordsOf(1000)
	gone(t, "the page", page)
	for i := range records {
		if string(records[i].Body) != "{}" || !bytes.Equal(records[i].Body, records[i].Audit.Raw) {
			t.Fatalf("record %d has the entry %q, %q", i, records[i].Body, records[i].Audit.Raw)
		}
	}
}

func TestABatchDoesNotKeepTheStepItWasCutFrom(t *testing.T) {
	in := newTestIntake(100)
	in.led.join("org")
	_, first := recordsOf(10)
	second := Record{Event: Event{Raw: Raw{Stream: "org", Position: Position{Time: at(time.Hour), ID: "later"}}}}
	step := weak.Make(&first[0])
	for i := range first {
		in.take(&first[i], at(0))
	}
	in.take(&second, at(0))
	b := in.cut(len(first))
	gone(t, "the step", step)
	if len(b.Records) != 10 || len(in.led.queue) != 1 {
		t.Errorf("the batch has %d records, %d wait", len(b.Records), len(in.led.queue))
	}
}

func TestAFilteredRecordDoesNotKeepTheOthers(t *testing.T) {
	in := newTestIntake(100)
	in.led.join("org")
	in.filter = func(e *Event) bool { return e.ID == "500" }
	_, records := recordsOf(1000)
	step, encoded := weak.Make(&records[0]), weak.Make(&records[0].Avro[0])
	want := bytes.Clone(records[500].Avro)
	for i := range records {
		in.take(&records[i], at(0))
	}
	gone(t, "the step", step)
	gone(t, "its encoding", encoded)
	if q := in.led.queue; len(q) != 1 || !bytes.Equal(q[0].Avro, want) || string(q[0].Body) != "{}" {
		t.Errorf("%d records wait, want the one, encoded as it was", len(q))
	}
}

func TestASettledBatchKeepsNoRecords(t *testing.T) {
	_, records := recordsOf(10)
	first := weak.Make(&records[0])
	l := &lane{prepared: &Batch{Manifest: manifestOf("e1", 1, "a"), Records: records}}
	if err := l.handle(event{settled: true}); err != nil {
		t.Fatal(err)
	}
	records = nil
	gone(t, "the batch", first)
	if l.settled == nil || l.settled.ID.Seq != 1 {
		t.Errorf("settled is %+v", l.settled)
	}
}

func TestAWalkDoesNotKeepWhatItHasGiven(t *testing.T) {
	src, h := newListing(100), &handClock{now: at(10 * 24 * time.Hour)}
	for i := range 100 {
		src.add("org", entry(fmt.Sprint(i), at(time.Duration(i)*2*time.Hour)))
	}
	r := newReader(src, h.clock())
	r.limits = spanLimits{target: 5, dense: 20, first: 10 * time.Hour}
	w := newWalk(r, []string{"org"}, map[string]bound{"org": {from: at(0)}}, 3)
	defer w.close()
	var given []weak.Pointer[Raw]
	for range 5 {
		st, err := w.step(t.Context())
		if err != nil || st.last || len(st.raws) == 0 {
			t.Fatalf("a step of %d entries, %v", len(st.raws), err)
		}
		given = append(given, weak.Make(&st.raws[0]))
	}
	for i, p := range given {
		gone(t, fmt.Sprintf("step %d", i), p)
	}
	runtime.KeepAlive(w)
}
