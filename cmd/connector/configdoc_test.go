package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/internal/secret"
	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
)

const configurationPage = "../../docs/configuration.md"

const configurationHead = `# Configuration

For whoever writes or changes ` + "`connector.yaml`" + `. This page is made from the program; ` + "`connector validate`" + ` says what is wrong with a file, all at once,
with line and column, and what each lane of it promises.

The file is YAML and read strictly: an unknown key, a wrong type or a name that is there twice is an error. ` + "`${env:NAME}` and `${file:PATH}`" + ` are
replaced in values after the file was parsed; one newline at the end of a file is left out, and ` + "`$${` is a plain `${`" + `. A secret from a file is read again
when its server answers 401 or 403, so that keys change without a restart. Durations are written ` + "`30s`, `10m`, `24h`" + `; sizes ` + "`8MiB` (2^20) or `1MB` (10^6)" + `;
on and off may also be true and false. Relative paths begin at the working directory.

Without ` + "`--config`, `run` looks for `connector.yaml`" + `; without that it reads the organization of ` + "`OPENAI_ADMIN_KEY`" + ` into ` + "`./connector-data/audit.db`" + `.
`

// wholeFile is one of everything, as an installation may have it.
const wholeFile = `sources:
  - name: acme
    type: openai
    config:
      admin_key: ${file:/run/secrets/openai/admin-key}
checkpoint: { path: /var/lib/connector/checkpoint.db }
http: { listen: "0.0.0.0:9464", token: "${file:/run/secrets/connector/token}" }
sinks:
  - name: archive                       # everything, for years
    type: s3
    config: { bucket: audit, prefix: openai, region: eu-central-1, sse: AES256 }
  - name: siem                          # what analysts watch, without addresses
    type: splunk_hec
    start: now
    filter: { min_severity: low, exclude: [login.succeeded] }
    hash: [actor.ip]
    hash_key: ${file:/run/secrets/connector/hash-key}
    on_reject: quarantine
    config:
      url: https://splunk.example.com:8088
      token: ${file:/run/secrets/splunk/token}
      index: audit
      search: { url: "https://splunk.example.com:8089", token: "${file:/run/secrets/splunk/search}" }
  - name: stream
    type: kafka
    batch: { max_age: 250ms }
    config:
      brokers: [kafka-1.example.com:9093, kafka-2.example.com:9093]
      topic: openai.audit
      tls: {}
      sasl: { mechanism: scram-sha-512, username: connector, password: "${file:/run/secrets/kafka/password}" }
      schema_registry: { url: "https://registry.example.com" }
`

// TestConfigurationPage compares docs/configuration.md with the configuration's
// types; -update rewrites it. Every key has a default there and a comment.
func TestConfigurationPage(t *testing.T) {
	w := &pageWriter{t: t, comments: make(map[string]map[string]string)}
	w.WriteString(configurationHead)
	file := defaultConfig()
	w.table("The file", file)
	w.table("sources", sourceConfig{})
	for _, name := range sourceTypes().Names() {
		kind, _ := sourceTypes().Lookup(name)
		w.table("Sources of type "+name, kind.Defaults())
	}
	w.table("pipeline", file.Pipeline)
	w.table("checkpoint", file.Checkpoint)
	w.table("http", file.HTTP)
	w.table("log", file.Log)
	buffer := defaultBuffer
	w.table("sinks", sinkConfig{Buffer: &buffer})
	for _, name := range sinkTypes().Names() {
		kind, _ := sinkTypes().Lookup(name)
		batch := kind.Batch()
		w.table("Sinks of type "+name, kind.Defaults())
		fmt.Fprintf(w, "\nBatches, unless `batch` says otherwise: %d events, %s, %s.\n", batch.MaxEvents, strictyaml.Size(batch.MaxBytes), brief(batch.MaxAge))
	}
	w.table("tls", httpclient.TLS{})
	w.WriteString("\n`tls` is the same block in every sink. `http.tls` is the connector's own certificate.\n")
	fmt.Fprintf(w, "\n## A whole file\n\n```yaml\n%s```\n", wholeFile)
	if *update {
		if err := os.WriteFile(configurationPage, w.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(w.Bytes(), want) {
		t.Errorf("%s is not what the program's types say; rewrite it with -update", configurationPage)
	}
}

// The example of the page is a configuration without a fault, and without a warning.
func TestWholeFileIsValid(t *testing.T) {
	w := newWorld(t)
	w.sources, w.sinks = sourceTypes(), sinkTypes()
	inFolder(t, map[string]string{"connector.yaml": wholeFile})
	if code := w.exec(t.Context(), "validate"); code != exitOK || w.err.Len() > 0 {
		t.Errorf("exit code %d\n%s%s", code, w.out.String(), w.err.String())
	}
}

// pageWriter writes the page.
type pageWriter struct {
	bytes.Buffer
	t        *testing.T
	comments map[string]map[string]string // of fields, by package and Type.Field
}

// table describes the struct v.
func (w *pageWriter) table(title string, v any) {
	fmt.Fprintf(w, "\n## %s\n\n| key | value | default | |\n| --- | --- | --- | --- |\n", title)
	w.rows("", reflect.ValueOf(v))
}

// rows describes the fields of a struct that lies at prefix.
func (w *pageWriter) rows(prefix string, v reflect.Value) {
	for i := range v.NumField() {
		f, value := v.Type().Field(i), v.Field(i)
		key, ok := f.Tag.Lookup("yaml")
		if !ok {
			continue
		}
		comment := w.comment(v.Type(), f.Name)
		if comment == "" {
			w.t.Errorf("%s.%s has no comment: what is it for?", v.Type(), f.Name)
		}
		fmt.Fprintf(w, "| `%s` | %s | %s | %s |\n", prefix+key, valueKind(f.Type), defaultText(value), comment)
		if nested(f.Type) {
			if value.Kind() == reflect.Pointer {
				value = reflect.Zero(f.Type.Elem())
			}
			w.rows(prefix+key+".", value)
		}
	}
}

// nested reports whether the keys of a block stand below it: those of the file's
// blocks and of tls have tables of their own.
func nested(kind reflect.Type) bool {
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	switch kind {
	case reflect.TypeFor[httpclient.TLS](), reflect.TypeFor[yaml.Node](), reflect.TypeFor[secret.String](), reflect.TypeFor[startTime](),
		reflect.TypeFor[pipelineConfig](), reflect.TypeFor[checkpointConfig](), reflect.TypeFor[httpConfig](), reflect.TypeFor[logConfig]():
		return false
	}
	return kind.Kind() == reflect.Struct
}

// valueKind is what a value of that type is called.
func valueKind(kind reflect.Type) string {
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	switch kind {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[strictyaml.Size]():
		return "size"
	case reflect.TypeFor[secret.String]():
		return "secret"
	case reflect.TypeFor[startTime](), reflect.TypeFor[rejectPolicy](), reflect.TypeFor[doubtPolicy]():
		return "text"
	}
	switch kind.Kind() {
	case reflect.Struct, reflect.Map:
		return "block"
	case reflect.Slice:
		return "list"
	case reflect.Bool:
		return "on, off"
	case reflect.String:
		return "text"
	}
	return "number"
}

// defaultText is the value of a field as it would be written.
func defaultText(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	text := ""
	switch value := v.Interface().(type) {
	case time.Duration:
		text = brief(value)
	case strictyaml.Size:
		text = value.String()
	case startTime:
		text = value.String()
	case rejectPolicy:
		text = map[pipeline.RejectPolicy]string{pipeline.RejectHalt: "halt", pipeline.RejectQuarantine: "quarantine"}[pipeline.RejectPolicy(value)]
	case doubtPolicy:
		text = map[pipeline.DoubtPolicy]string{pipeline.DoubtRedeliver: "redeliver", pipeline.DoubtHalt: "halt"}[pipeline.DoubtPolicy(value)]
	case bool:
		text = map[bool]string{true: "on", false: "off"}[value]
	default:
		switch v.Kind() {
		case reflect.String, reflect.Int, reflect.Float64:
			text = fmt.Sprint(value)
		}
	}
	if text == "" || text == "0" || text == "0s" {
		return ""
	}
	return "`" + text + "`"
}

// brief is d without the units that are zero.
func brief(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// comment returns what stands behind a field in the source.
func (w *pageWriter) comment(of reflect.Type, field string) string {
	w.t.Helper()
	folder, ok := strings.CutPrefix(of.PkgPath(), "auditlog-connector/")
	if !ok {
		folder = "cmd/connector" // of.PkgPath() is main
	}
	known := w.comments[folder]
	if known == nil {
		known = make(map[string]string)
		w.comments[folder] = known
		files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(folder), "*.go"))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, file := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
			if err != nil {
				w.t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool { return collect(n, known) })
		}
	}
	return strings.ReplaceAll(known[of.Name()+"."+field], "|", `\|`)
}

// collect adds the comments of a struct's fields to known.
func collect(n ast.Node, known map[string]string) bool {
	spec, ok := n.(*ast.TypeSpec)
	if !ok {
		return true
	}
	fields, ok := spec.Type.(*ast.StructType)
	if !ok {
		return true
	}
	for _, f := range fields.Fields.List {
		for _, name := range f.Names {
			known[spec.Name.Name+"."+name.Name] = strings.TrimSpace(f.Comment.Text())
		}
	}
	return true
}
