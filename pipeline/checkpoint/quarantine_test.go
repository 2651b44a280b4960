package checkpoint_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
	"auditlog-connector/schemas"
)

func refusedBatch() (pipeline.Manifest, []pipeline.Record) {
	m := pipeline.Manifest{ID: pipeline.BatchID{Lane: "acme/archive", Epoch: "0a1b2c3d", Seq: 17}}
	var records []pipeline.Record
	for _, id := range []string{"first", "second", "third é\x00"} {
		var r pipeline.Record
		r.Position = pipeline.Position{Time: time.Unix(1_770_000_000, 0).UTC(), ID: id}
		r.Audit = schemas.AuditEvent{EventID: id, EventType: "login.failed", EffectiveAt: r.Time, Source: "acme", Stream: "organization",
			Action: "login", Outcome: "failure", Severity: "low", Actor: schemas.Actor{Kind: "none"}, Raw: []byte(`{"id":"` + id + `"}`)}
		r.Avro = schemas.Encode(nil, &r.Audit)
		m.Members = append(m.Members, r.Position)
		records = append(records, r)
	}
	return m, records
}

func TestQuarantineKeepsRefusedRecords(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "quar[antine]*")
	q := checkpoint.NewQuarantine(dir)
	m, records := refusedBatch()
	put := func(reasons map[int]error) {
		t.Helper()
		if err := q.Put(t.Context(), m, records, reasons); err != nil {
			t.Fatal(err)
		}
	}
	put(nil) // nothing there yet
	put(map[int]error{0: errors.New("replaced")})
	put(map[int]error{2: errors.New("mapper_parsing_exception: \xff"), 1: nil})

	got, err := q.Read(m.ID)
	want := []checkpoint.Refused{{Event: records[1].Audit, Reason: "unknown"}, {Event: records[2].Audit, Reason: "mapper_parsing_exception: \uFFFD"}}
	if err != nil || len(got) != 2 || got[0].Event.EventID != "second" || !reflect.DeepEqual(got[1].Event.Raw, want[1].Event.Raw) || got[1].Reason != want[1].Reason {
		t.Errorf("read %+v %v\nwant %+v", got, err, want)
	}
	if ids, err := q.Batches(); err != nil || len(ids) != 1 || ids[0] != m.ID {
		t.Errorf("batches %v %v, want %v", ids, err, m.ID)
	}

	path := filepath.Join(dir, "acme", "archive", "0a1b2c3d-00000000000000000017.avro")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: mode %v %v, want %v", name, info.Mode(), err, mode)
		}
	}
	// So does a later version of this program, which describes a field in other words.
	old, other := "Why the destination refused the event.", "What the destination said of the event"
	if err := os.WriteFile(path, bytes.Replace(data, []byte(old), []byte(other), 1), 0o600); err != nil || !bytes.Contains(data, []byte(old)) || len(old) != len(other) {
		t.Fatal("the file was not changed as it should", err)
	}
	if again, err := q.Read(m.ID); err != nil || !reflect.DeepEqual(again, got) {
		t.Errorf("read with another schema: %+v, %v", again, err)
	}
	// A foreign reader finds the same.
	r, err := goavro.NewOCFReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var ids []any
	for r.Scan() {
		v, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		record := v.(map[string]any)
		ids = append(ids, record["event_id"], record["reason"])
	}
	if want := []any{"second", "unknown", "third é\x00", want[1].Reason}; r.Err() != nil || !reflect.DeepEqual(ids, want) {
		t.Errorf("goavro reads %q %v, want %q", ids, r.Err(), want)
	}

	for cut := 0; cut < len(data); cut += 97 {
		if err := os.WriteFile(path, data[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if part, err := q.Read(m.ID); err == nil && len(part) == 2 {
			t.Fatalf("cut to %d of %d bytes: read as a whole", cut, len(data))
		}
	}
	put(nil)
	if _, err := q.Read(m.ID); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after none was put: %v, want %v", err, fs.ErrNotExist)
	}
}

func TestQuarantineSetsEntriesAsideOnce(t *testing.T) {
	dir := t.TempDir()
	q := checkpoint.NewQuarantine(dir)
	for range 2 {
		for _, a := range []pipeline.Aside{
			{ID: "audit_log-1", Body: []byte(`{"id": "audit_log-1", "effective_at": {}}`), Reason: "no readable time"},
			{ID: "audit_log-2", Body: []byte("{\xff}"), Reason: "no readable time"},
			{ID: "audit_log-2", Body: []byte("{\xfe}"), Reason: "no readable time"},
		} {
			if err := q.SetAside(t.Context(), "acme", a); err != nil {
				t.Fatal(err)
			}
		}
	}
	names, err := filepath.Glob(filepath.Join(dir, "acme", "set-aside", "*"))
	if err != nil || len(names) != 3 {
		t.Fatalf("files %v %v, want 3", names, err)
	}
	for _, name := range names {
		var a struct {
			ID, Reason, Body string
			BodyBase64       []byte `json:"body_base64"`
		}
		data, err := os.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(data, &a)
		}
		if err != nil || a.Reason == "" || a.ID == "audit_log-1" && a.Body != `{"id": "audit_log-1", "effective_at": {}}` || a.ID == "audit_log-2" && len(a.BodyBase64) != 3 {
			t.Errorf("%s: %+v %v", name, a, err)
		}
	}
}

func TestQuarantineStaysInItsFolder(t *testing.T) {
	q := checkpoint.NewQuarantine(t.TempDir())
	m, records := refusedBatch()
	for _, lane := range []string{"", "acme", "../x", "acme/..", "acme/a/b", "/etc/x"} {
		m.ID.Lane = lane
		if err := q.Put(t.Context(), m, records, map[int]error{0: errors.New("x")}); err == nil {
			t.Errorf("lane %q: accepted", lane)
		}
	}
	if err := q.SetAside(t.Context(), "../x", pipeline.Aside{}); err == nil {
		t.Error("source ../x: accepted")
	}
	m.ID.Lane = "acme/archive"
	if err := q.Put(t.Context(), m, records, map[int]error{3: errors.New("x")}); err == nil {
		t.Error("a record that is not in the batch: accepted")
	}
}
