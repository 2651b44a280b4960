package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/sinks/sinktest"
)

// every is each format that can be written.
func every() []Format {
	var all []Format
	for _, k := range kinds {
		for _, c := range k.compressions {
			all = append(all, Format{k.name, "normalized", c})
		}
	}
	return all
}

func (f Format) name() string { return f.Container + " " + f.Schema + " " + f.Compression }

// batch is n events, of which some appear late, so that they are not sorted.
func batch(n int) *pipeline.Batch {
	day := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	var records []pipeline.Record
	for i := range n {
		at := day.Add(time.Duration(i) * time.Second)
		if i%7 == 3 {
			at = at.Add(-time.Hour)
		}
		r := sinktest.Record("acme", fmt.Sprintf("event-%d", i), at)
		switch i % 5 {
		case 1:
			r.Audit.Targets, r.Audit.Changes, r.Audit.Problems, r.Audit.Project, r.Audit.Details = nil, nil, nil, nil, nil
			r.Audit.Actor = schemas.Actor{Kind: "none"}
		case 2:
			r.Audit.Error = &schemas.EventError{Code: "invalid", Message: "no\x00such\u2028key"}
			r.Audit.Targets = append(r.Audit.Targets, schemas.Target{Type: "third"})
			r.Audit.Problems = []string{"one", "", "three"}
		case 3:
			r.Audit.Raw = []byte("not json \xff\xfe")
			r.Audit.EffectiveAt = r.Audit.EffectiveAt.Add(123 * time.Millisecond)
		}
		r.Event.Body = r.Audit.Raw
		records = append(records, sinktest.Encoded(r.Event))
	}
	b := sinktest.Batch(pipeline.BatchID{Lane: "acme/archive", Epoch: "0a1b2c3d", Seq: 7}, records)
	return &b
}

func encode(t testing.TB, f Format, b *pipeline.Batch) []byte {
	t.Helper()
	content, err := NewEncoder(f).Encode(b)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(content)
}

// events reads content back, in the order of the batch.
func events(key string, content []byte) (ids, lines []string, err error) {
	type read struct {
		Event
		line string
	}
	var all []read
	err = Read(key, content, func(e Event) error {
		all = append(all, read{e, string(e.Line)})
		return nil
	})
	slices.SortFunc(all, func(a, b read) int { return a.Index - b.Index })
	for _, e := range all {
		ids, lines = append(ids, e.ID), append(lines, e.line)
	}
	return ids, lines, err
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	for _, f := range every() {
		for _, n := range []int{1, 2, 300} {
			t.Run(fmt.Sprintf("%s, %d events", f.name(), n), func(t *testing.T) {
				b := batch(n)
				ids, lines, err := events("x"+f.Extension(), encode(t, f, b))
				if err != nil || len(ids) != n {
					t.Fatalf("read %d events, %v, want %d", len(ids), err, n)
				}
				for i, r := range b.Records {
					if want := string(schemas.AppendNormalized(nil, &r.Audit)); ids[i] != r.ID || lines[i] != want {
						t.Fatalf("event %d is %q\n%s\nwant %q\n%s", i, ids[i], lines[i], r.ID, want)
					}
				}
			})
		}
	}
}

// A later version may only word the schema's documentation otherwise.
func TestContainerWithAnotherSchemaIsRead(t *testing.T) {
	for _, f := range every() {
		if f.Container != Avro {
			continue
		}
		b := batch(30)
		content := encode(t, f, b)
		other := bytes.Replace(content, []byte("The entry as served, byte for byte."), []byte("What the source said, byte by byte."), 1)
		if bytes.Equal(other, content) {
			t.Fatal("the schema has no such documentation")
		}
		ids, lines, err := events("x"+f.Extension(), other)
		if err != nil || len(ids) != len(b.Records) {
			t.Fatalf("%s: read %d events, %v, want %d", f.name(), len(ids), err, len(b.Records))
		}
		for i, r := range b.Records {
			if want := string(schemas.AppendNormalized(nil, &r.Audit)); ids[i] != r.ID || lines[i] != want {
				t.Fatalf("%s: event %d is\n%s\nwant\n%s", f.name(), i, lines[i], want)
			}
		}
	}
}

func TestOneBatchIsAlwaysTheSameBytes(t *testing.T) {
	for _, f := range every() {
		t.Run(f.name(), func(t *testing.T) {
			b := batch(1000)
			want := encode(t, f, b)
			e := NewEncoder(f)
			for _, other := range []*pipeline.Batch{batch(10), b, batch(500), b} {
				got, err := e.Encode(other)
				if err != nil {
					t.Fatal(err)
				}
				if other == b && !bytes.Equal(got, want) {
					t.Fatal("the bytes depend on what was encoded before")
				}
			}
		})
	}
}

// goavro has its own idea of every byte of a container.
func TestForeignReaderReadsAvro(t *testing.T) {
	for _, codec := range []string{"none", "deflate", "snappy"} {
		t.Run(codec, func(t *testing.T) {
			b := batch(800)
			r, err := goavro.NewOCFReader(bytes.NewReader(encode(t, Format{Container: Avro, Compression: codec}, b)))
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for ; r.Scan(); n++ {
				got, err := r.Read()
				if err != nil {
					t.Fatal(err)
				}
				want, _, err := schemas.Codec().NativeFromBinary(b.Records[n].Avro)
				if err != nil {
					t.Fatal(err)
				}
				if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
					t.Fatalf("record %d is\n%s\nwant\n%s", n, g, w)
				}
			}
			if r.Err() != nil || n != len(b.Records) {
				t.Errorf("%d records, %v, want %d", n, r.Err(), len(b.Records))
			}
		})
	}
}

func TestMarkerIsTheBatchs(t *testing.T) {
	a, b := batch(3), batch(4)
	digest := a.Digest()
	content := encode(t, Format{Container: Avro}, a)
	if !bytes.HasSuffix(content, digest[:syncSize]) {
		t.Error("the marker is not the digest's")
	}
	if bytes.HasSuffix(encode(t, Format{Container: Avro}, b), digest[:syncSize]) {
		t.Error("two batches have one marker")
	}
}

func TestEverySchemaIsReadBack(t *testing.T) {
	for _, container := range []string{JSONL, Parquet} {
		for _, schema := range []string{"normalized", "ecs", "ocsf", "cim", "raw"} {
			f := Format{Container: container, Schema: schema}
			if len(f.Validate()) > 0 {
				continue
			}
			t.Run(f.name(), func(t *testing.T) {
				b := batch(20)
				ids, lines, err := events("x"+f.Extension(), encode(t, f, b))
				if err != nil || len(ids) != len(b.Records) {
					t.Fatalf("read %d events, %v", len(ids), err)
				}
				for i, r := range b.Records {
					hidden := schema == "raw" && !json.Valid(r.Audit.Raw)
					if !hidden && ids[i] != r.ID {
						t.Errorf("event %d: id %q, want %q: %s", i, ids[i], r.ID, lines[i])
					}
				}
			})
		}
	}
}

func TestDamagedContentIsAnErrorAndNoPanic(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	for _, f := range every() {
		t.Run(f.name(), func(t *testing.T) {
			key, content := "x"+f.Extension(), encode(t, f, batch(40))
			for _, n := range []int{0, 1, 3, len(content) / 2, len(content) - 1} {
				if _, _, err := events(key, content[:n]); err == nil && !(f.Container == JSONL && f.Compression != "gzip" && n == 0) {
					t.Errorf("cut to %d of %d bytes: no error", n, len(content))
				}
			}
			for range 60 {
				damaged := bytes.Clone(content)
				damaged[random.IntN(len(damaged))] ^= byte(1 + random.IntN(255))
				_, _, _ = events(key, damaged) // some of it is text that may be any
			}
		})
	}
}

func TestKeySaysTheFormat(t *testing.T) {
	like := Format{Container: Avro, Schema: "normalized", Compression: "snappy"}
	for key, want := range map[string]Format{
		"a/b-1.avro":      {Avro, "normalized", "snappy"},
		"a/b-1.jsonl":     {JSONL, "normalized", "none"},
		"a/b-1.jsonl.gz":  {JSONL, "normalized", "gzip"},
		"a/b-1.jsonl.zst": {JSONL, "normalized", "zstd"},
		"a/b-1.parquet":   {Parquet, "normalized", "snappy"},
	} {
		if got, err := like.Of(key); err != nil || got != want {
			t.Errorf("Of(%q) = %v, %v, want %v", key, got, err, want)
		}
	}
	if _, err := like.Of("a/b-1.orc"); err == nil {
		t.Error("a stranger has a format")
	}
	if err := Read("x.orc", nil, nil); err == nil {
		t.Error("a stranger is read")
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		f    Format
		want string
	}{
		{Format{"avro", "normalized", ""}, ""},
		{Format{"avro", "normalized", "deflate"}, ""},
		{Format{"parquet", "normalized", "snappy"}, ""},
		{Format{"orc", "normalized", ""}, "format"},
		{Format{"avro", "ecs", ""}, "schema"},
		{Format{"avro", "normalized", "gzip"}, "compression"},
		{Format{"parquet", "raw", ""}, "schema"},
		{Format{"parquet", "cim", ""}, "schema"},
		{Format{"parquet", "ocsf", ""}, ""},
		{Format{"jsonl", "yaml", ""}, "schema"},
	} {
		var got []string
		for _, err := range c.f.Validate() {
			got = append(got, strings.SplitN(err.Error(), ":", 2)[0])
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("Validate(%v) = %v, want %s", c.f, got, c.want)
		}
	}
}

func TestLargeBatchDoesNotStayInMemory(t *testing.T) {
	e := NewEncoder(Format{Container: Avro, Schema: "normalized", Compression: "none"})
	b := batch(1)
	b.Records[0].Avro = make([]byte, keep+1)
	if _, err := e.Encode(b); err != nil {
		t.Fatal(err)
	}
	if kept := cap(e.encoder.(*avroEncoder).out); kept > keep {
		t.Errorf("%d bytes are kept", kept)
	}
}

func BenchmarkEncode(b *testing.B) {
	batch := batch(5000)
	var size int64
	for _, r := range batch.Records {
		size += int64(len(r.Avro))
	}
	for _, f := range every() {
		b.Run(f.name(), func(b *testing.B) {
			e := NewEncoder(f)
			b.SetBytes(size)
			b.ReportAllocs()
			var n int
			for b.Loop() {
				content, err := e.Encode(batch)
				if err != nil {
					b.Fatal(err)
				}
				n = len(content)
			}
			b.ReportMetric(float64(n), "object-B")
			b.ReportMetric(float64(b.N)*5000/b.Elapsed().Seconds(), "events/s")
		})
	}
}
