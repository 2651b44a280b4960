package s3

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/sinktest"
)

// filled is a lane with five batches on consecutive days.
func filled(t *testing.T, more string) *fixture {
	t.Helper()
	f := newFixture(t, more)
	f.claim(1)
	for seq := range uint64(5) {
		f.deliver(f.on(seq+1, day.AddDate(0, 0, int(seq))))
	}
	return f
}

// on is batch seq of ten events from at on, the fourth of which came late.
func (f *fixture) on(seq uint64, at time.Time) pipeline.Batch {
	var records []pipeline.Record
	for i := range 10 {
		event := at.Add(time.Duration(i) * time.Second)
		if i == 3 {
			event = at.Add(-time.Minute)
		}
		records = append(records, sinktest.Record("acme", fmt.Sprintf("event-%d-%d", seq, i), event))
	}
	b := sinktest.Batch(pipeline.BatchID{Lane: "acme/archive", Epoch: epoch, Seq: seq}, records)
	b.Place = f.Place(b.Manifest)
	return b
}

func verify(t *testing.T, f *fixture, want func(Entry) bool) (Verification, []Problem) {
	t.Helper()
	var problems []Problem
	v, err := f.Archive().Verify(t.Context(), want, func(p Problem) { problems = append(problems, p) })
	if err != nil {
		t.Fatal(err)
	}
	if v.Problems != len(problems) {
		t.Errorf("%d problems are counted, %d reported", v.Problems, len(problems))
	}
	return v, problems
}

func all(Entry) bool { return true }

func TestArchiveThatIsWhole(t *testing.T) {
	for _, more := range []string{
		"", "format: jsonl", "format: jsonl\nschema: ecs", "format: jsonl\nschema: ocsf", "format: jsonl\nschema: cim", "format: jsonl\nschema: raw",
		"format: parquet\nprefix: a", "format: parquet\nschema: ecs", "format: parquet\nschema: ocsf", "partition: dt/hour",
	} {
		t.Run(more, func(t *testing.T) {
			f := filled(t, more)
			v, problems := verify(t, f, all)
			if len(problems) > 0 || v.Batches != 5 || v.Events != 50 || v.Epochs != 1 || v.Unproven != 0 || v.Bytes == 0 {
				t.Errorf("%+v %v", v, problems)
			}
			entries, err := f.Archive().List(t.Context())
			if err != nil || len(entries) != 5 {
				t.Fatalf("%d entries, %v", len(entries), err)
			}
			e := entries[2]
			facts, err := f.Archive().Facts(t.Context(), e)
			if err != nil || facts.Batch != e.ID.String() || facts.Events != 10 || !facts.First.Equal(day.AddDate(0, 0, 2).Add(-time.Minute)) {
				t.Errorf("facts of %v: %+v, %v", e, facts, err)
			}
			n := 0
			if _, err := f.Archive().Read(t.Context(), e, func(ev Event) error {
				if !json.Valid(ev.Line) || !strings.HasPrefix(ev.ID, "event-3-") {
					t.Errorf("event %+v", ev)
				}
				n++
				return nil
			}); err != nil || n != 10 {
				t.Errorf("%d events, %v", n, err)
			}
		})
	}
}

func TestVerifyFindsWhatIsWrong(t *testing.T) {
	name := func(seq int) string {
		return fmt.Sprintf("source=acme/dt=2026-11-%d/archive-0a1b2c3d-%020d.avro", 21+seq, seq)
	}
	change := func(o *fakeObject, more map[string]string) *fakeObject {
		c := &fakeObject{body: o.body, etag: o.etag, header: o.header.Clone(), at: o.at}
		for k, v := range more {
			c.header.Set("X-Amz-Meta-"+k, v)
		}
		return c
	}
	for _, c := range []struct {
		name string
		harm func(objects map[string]*fakeObject)
		want []string // in the problems, in order
	}{
		{"an object is gone", func(o map[string]*fakeObject) { delete(o, name(3)) }, []string{"batch 3 is missing"}},
		{"objects are gone", func(o map[string]*fakeObject) { delete(o, name(1)); delete(o, name(3)); delete(o, name(4)) },
			[]string{"batch 1 is missing", "batches 3 to 4 are missing"}},
		{"the content is another batch's", func(o map[string]*fakeObject) { o[name(2)].body = o[name(3)].body },
			[]string{"digest", "is also in"}},
		{"the content is cut", func(o map[string]*fakeObject) { o[name(2)].body = o[name(2)].body[:2000] }, []string{"ends early"}},
		{"the content is changed", func(o map[string]*fakeObject) {
			o[name(2)].body = bytes.Replace(o[name(2)].body, []byte("event-2-5"), []byte("event-2-x"), 1)
		}, []string{"digest"}},
		{"an object is there twice", func(o map[string]*fakeObject) {
			o[strings.Replace(name(2), "dt=2026-11-23", "dt=2026-11-24", 1)] = o[name(2)]
		}, []string{"batch 2 is there twice", "is also in"}},
		{"an object was copied to another number", func(o map[string]*fakeObject) { o[name(6)] = o[name(5)] },
			[]string{"the metadata says batch", "is also in"}},
		{"metadata is gone", func(o map[string]*fakeObject) { o[name(4)].header = nil }, []string{"digest", "metadata says batch", "metadata says 0"}},
		{"another epoch has written", func(o map[string]*fakeObject) {
			o["source=acme/dt=2026-11-22/archive-ffffffff-00000000000000000001.avro"] =
				change(o[name(1)], map[string]string{"Batch-Id": "acme/archive/ffffffff/00000000000000000001"})
		}, []string{"the claim does not name it", "is also in"}},
		{"what is not ours does not matter", func(o map[string]*fakeObject) {
			o["source=acme/dt=2026-11-22/notes.txt"] = &fakeObject{body: []byte("x")}
			o["source=acme/dt=2026-11-22/archive-2-0a1b2c3d-00000000000000000001.avro"] = o[name(1)]
			o["source=acme2/dt=2026-11-22/archive-0a1b2c3d-00000000000000000001.avro"] = o[name(1)]
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := filled(t, "compression: none")
			c.harm(f.fake.objects)
			_, problems := verify(t, f, all)
			var kinds []string
			for _, p := range problems {
				text := p.Where + ": " + p.What
				i := slices.IndexFunc(c.want, func(w string) bool { return strings.Contains(text, w) })
				if i < 0 {
					t.Errorf("unexpected: %s", text)
					continue
				}
				if !slices.Contains(kinds, c.want[i]) {
					kinds = append(kinds, c.want[i])
				}
			}
			slices.Sort(kinds)
			want := slices.Clone(c.want)
			slices.Sort(want)
			if !slices.Equal(kinds, want) {
				t.Errorf("found %q, want %q: %v", kinds, want, problems)
			}
		})
	}
}

func TestVerifyOfSomeDaysLooksForGapsInAll(t *testing.T) {
	f := filled(t, "")
	delete(f.fake.objects, "source=acme/dt=2026-11-23/archive-0a1b2c3d-00000000000000000002.avro")
	v, problems := verify(t, f, func(e Entry) bool { return e.Day.Day() == 25 })
	if v.Batches != 1 || v.Events != 10 || len(problems) != 1 {
		t.Errorf("%+v %v", v, problems)
	}
}

func TestArchiveAfterATakeover(t *testing.T) {
	f := filled(t, "")
	other := pipeline.Checkpoint{Epoch: "00000001", Next: 1, Start: pipeline.Earliest} // sorts before the first one
	if err := f.Claim(t.Context(), other, true); err != nil {
		t.Fatal(err)
	}
	b := f.on(9, day)
	b.ID.Epoch, b.ID.Seq = "00000001", 1
	b.Place = f.Place(b.Manifest)
	f.deliver(b)
	f.fake.objects[key(f, b)].at = time.Now().Add(time.Minute) // the store's times are in seconds
	v, problems := verify(t, f, all)
	if len(problems) > 0 || v.Epochs != 2 {
		t.Errorf("%+v %v", v, problems)
	}
	entries, err := f.Archive().List(t.Context())
	if err != nil || entries[5].ID.Epoch != "00000001" {
		t.Errorf("%v, %v", entries, err)
	}
}
