package document_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/document"
	"auditlog-connector/sources/openai"
)

// served returns an entry of each documented type, as compact as the API serves it,
// and their mean length.
func served(b *testing.B) (raws []pipeline.Raw, mean int64) {
	files, err := filepath.Glob(filepath.Join("..", "..", "sources", "openai", "testdata", "samples", "*.json"))
	if err != nil || len(files) < 149 {
		b.Fatalf("%d samples, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		var body bytes.Buffer
		if err := json.Compact(&body, text); err != nil {
			b.Fatal(err)
		}
		at := pipeline.Position{Time: time.Unix(1795166939, 0).UTC(), ID: filepath.Base(file)}
		raws = append(raws, pipeline.Raw{Position: at, Body: body.Bytes()})
		mean += int64(body.Len())
	}
	return raws, mean / int64(len(raws))
}

// BenchmarkFormat is what an event costs from the entry as served to the bytes that
// a destination gets, per format, and the same entries through encoding/json and back.
func BenchmarkFormat(b *testing.B) {
	raws, mean := served(b)
	run := func(name string, do func(dst []byte, r pipeline.Raw) []byte) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(mean)
			b.ReportAllocs()
			var dst []byte
			for i := 0; b.Loop(); i++ {
				if dst = do(dst[:0], raws[i%len(raws)]); len(dst) == 0 {
					b.Fatal("nothing was written")
				}
			}
		})
	}
	source := &openai.Source{}
	run("avro", func(dst []byte, r pipeline.Raw) []byte {
		e := source.Normalize(r)
		return schemas.Encode(dst, &e.Audit)
	})
	for _, name := range []string{"normalized", "ecs", "ocsf", "cim", "raw"} {
		form := document.Lookup(name)
		run(name, func(dst []byte, r pipeline.Raw) []byte {
			e := source.Normalize(r)
			return form(dst, &e.Audit)
		})
	}
	run("encoding-json", func(_ []byte, r pipeline.Raw) []byte {
		var v any
		if err := json.Unmarshal(r.Body, &v); err != nil {
			b.Fatal(err)
		}
		text, err := json.Marshal(v)
		if err != nil {
			b.Fatal(err)
		}
		return text
	})
}
