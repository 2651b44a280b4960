package s3

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"auditlog-connector/pipeline"
)

func checkpoint(epoch string, next uint64, floor time.Time) pipeline.Checkpoint {
	return pipeline.Checkpoint{Epoch: epoch, Next: next, Start: pipeline.Earliest, Streams: map[string]pipeline.Progress{"organization": {Floor: floor}}}
}

func TestClaimNamesItsOwners(t *testing.T) {
	f := newFixture(t, "")
	f.claim(1)
	for _, next := range []string{"11111111", "22222222"} {
		if err := f.Claim(t.Context(), pipeline.Checkpoint{Epoch: next, Next: 1, Start: pipeline.Earliest}, true); err != nil {
			t.Fatal(err)
		}
	}
	want := `{"lane":"acme/archive","epoch":"22222222","former_epochs":["0a1b2c3d","11111111"]}` + "\n"
	if got := string(f.fake.key("_connector/acme/archive.json")); got != want {
		t.Errorf("claim is %s, want %s", got, want)
	}
	if err := f.Deliver(t.Context(), f.batch(1, 1)); !errors.Is(err, pipeline.ErrFenced) || !strings.Contains(err.Error(), "22222222") {
		t.Errorf("deliver by the former owner: %v, want ErrFenced with the owner's epoch", err)
	}
}

func TestOnlyOneOfTwoFirstClaimsWins(t *testing.T) {
	f := newFixture(t, "")
	// Both read that there is no claim; the other one is faster.
	f.fake.answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, ".json") {
			body := []byte(`{"lane":"acme/archive","epoch":"ffffffff"}`)
			f.fake.objects["_connector/acme/archive.json"] = &fakeObject{body, etag(body), nil, time.Now()}
		}
		return false
	}
	cp := checkpoint(epoch, 1, day)
	if err := f.Claim(t.Context(), cp, false); err == nil || pipeline.IsPermanent(err) {
		t.Errorf("claim: %v, want one that is tried again", err)
	}
	if err := f.Claim(t.Context(), cp, false); !errors.Is(err, pipeline.ErrForeignEpoch) {
		t.Errorf("claim: %v, want ErrForeignEpoch", err)
	}
}

func TestStoreWithoutConditionsIsRefused(t *testing.T) {
	f := newFixture(t, "")
	f.fake.careless = true
	err := f.Claim(t.Context(), checkpoint(epoch, 1, day), false)
	if !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "conditional_writes: off") {
		t.Errorf("claim: %v", err)
	}
	f.open("conditional_writes: off")
	f.claim(1)
	b := f.batch(1, 2)
	f.deliver(b)
	f.deliver(b)
	if err := f.Deliver(t.Context(), f.batch(1, 3)); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("other events under one ID: %v", err)
	}

	f = newFixture(t, "compression: none")
	f.fake.carelessParts = true
	f.partSize = 500
	f.claim(1)
	if err := f.Deliver(t.Context(), f.batch(1, 3)); !pipeline.IsPermanent(err) || len(f.fake.keys("source=")) > 0 {
		t.Errorf("deliver in parts: %v, objects %v", err, f.fake.keys("source="))
	}
}

func TestEveryStartProvesTheStoreWithOneRequest(t *testing.T) {
	f := newFixture(t, "")
	f.claim(1)
	f.open("")
	before := len(f.fake.seen)
	f.claim(1)
	if puts := countSeen(f.fake.seen[before:], "PUT "); puts != 1 {
		t.Errorf("%d PUTs at the second start, want 1: %v", puts, f.fake.seen[before:])
	}
}

func TestStartAbortsTheLanesUploadsOnly(t *testing.T) {
	f := newFixture(t, "")
	ours := "source=acme/dt=2026-11-22/archive-0a1b2c3d-00000000000000000001.avro"
	others := []string{
		"source=acme/dt=2026-11-22/archive-2-0a1b2c3d-00000000000000000001.avro", // sink archive-2
		"source=acme/dt=2026-11-22/somebody.avro", "source=other/dt=2026-11-22/archive-0a1b2c3d-00000000000000000001.avro",
	}
	for i, key := range append(others, ours, f.sink.keys.probe()) {
		f.fake.uploads[fmt.Sprint(i)] = &fakeUpload{key: key}
	}
	f.claim(1)
	for _, u := range f.fake.uploads {
		if u.key == ours || u.key == f.sink.keys.probe() {
			t.Error("the lane's upload is left")
		}
	}
	if len(f.fake.uploads) != len(others) {
		t.Errorf("%d uploads of others are left, want %d", len(f.fake.uploads), len(others))
	}
}

func TestClaimThatIsGoneOrBroken(t *testing.T) {
	f := newFixture(t, "")
	f.claim(1)
	b := f.batch(1, 1)
	delete(f.fake.objects, "_connector/acme/archive.json")
	if err := f.Deliver(t.Context(), b); !errors.Is(err, pipeline.ErrFenced) || !strings.Contains(err.Error(), "archive verify") {
		t.Errorf("deliver without a claim: %v", err)
	}
	if err := f.Claim(t.Context(), pipeline.Checkpoint{Epoch: epoch, Next: 5, Last: 4, Start: pipeline.Earliest}, false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(f.log.String(), "Earlier events are not in it") {
		t.Errorf("no warning: %s", f.log)
	}
	for _, text := range []string{"", "{", `{"epoch":3}`, "{}", "null"} {
		body := []byte(text)
		f.fake.objects["_connector/acme/archive.json"] = &fakeObject{body, etag(body), nil, time.Now()}
		err := f.Deliver(t.Context(), b)
		if !errors.Is(err, pipeline.ErrCorrupt) || !pipeline.IsPermanent(err) {
			t.Errorf("claim %q: %v, want ErrCorrupt", text, err)
		}
	}
	if err := f.Claim(t.Context(), checkpoint(epoch, 1, day), true); err != nil {
		t.Errorf("take over a broken claim: %v", err)
	}
	f.deliver(b)
}

// TestAheadIsFoundWithFewRequests: an archive of years is not listed at every start.
func TestAheadIsFoundWithFewRequests(t *testing.T) {
	for _, partition := range []string{"dt", "dt/hour"} {
		f := newFixture(t, "partition: "+partition)
		f.claim(1)
		put := func(at time.Time, seq uint64) {
			m := pipeline.Manifest{ID: pipeline.BatchID{Lane: "acme/archive", Epoch: epoch, Seq: seq}, Members: []pipeline.Position{{Time: at, ID: "x"}}}
			f.fake.objects[f.sink.keys.batch(&m, ".avro")] = &fakeObject{etag: `"x"`, at: at}
		}
		for d := range 700 {
			for n := range 5 {
				put(day.AddDate(0, 0, d-700), uint64(d*5+n+1))
			}
		}
		floor := day.AddDate(0, 0, -3)
		before := len(f.fake.seen)
		if err := f.Claim(t.Context(), checkpoint(epoch, 3501, floor), false); err != nil {
			t.Fatal(err)
		}
		limit := 12
		if partition == "dt/hour" {
			limit = 130
		}
		if got := len(f.fake.seen) - before; got > limit {
			t.Errorf("%s: %d requests, want at most %d", partition, got, limit)
		}
		for _, at := range []time.Time{floor, day, day.AddDate(1, 0, 0)} {
			f.open("partition: " + partition)
			put(at, 3501)
			if err := f.Claim(t.Context(), checkpoint(epoch, 3501, floor), false); !errors.Is(err, pipeline.ErrForeignEpoch) {
				t.Errorf("%s: batch 3501 of %s: %v, want ErrForeignEpoch", partition, at, err)
			}
			if err := f.Claim(t.Context(), checkpoint(epoch, 3501, floor), true); err != nil {
				t.Errorf("taken over: %v", err)
			}
			if err := f.Claim(t.Context(), checkpoint(epoch, 3502, floor), false); err != nil {
				t.Errorf("a batch that is prepared has used its number: %v", err)
			}
			for _, key := range f.fake.keys("source=") {
				if strings.HasSuffix(key, "3501.avro") {
					delete(f.fake.objects, key)
				}
			}
		}
	}
}
