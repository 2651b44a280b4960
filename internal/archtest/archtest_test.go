package archtest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "auditlog-connector"

// component is what a sink or a source may import besides its parent and its SDK.
var component = []string{
	"pipeline", "schemas", "schemas/rawjson", "schemas/document", "internal/httpclient", "internal/secret", "internal/strictyaml",
	"github.com/prometheus/client_golang",
}

// allowed says what a package may import besides the standard library: packages of
// ours by their path in the module, others by module path. A package that is not
// listed fails the test: whoever adds one decides where it belongs.
var allowed = map[string][]string{
	"schemas":                            {"schemas/rawjson", "github.com/linkedin/goavro/v2"},
	"schemas/rawjson":                    {},
	"schemas/cim":                        {"schemas", "schemas/rawjson"},
	"schemas/ecs":                        {"schemas", "schemas/rawjson"},
	"schemas/redact":                     {"schemas", "schemas/rawjson"},
	"schemas/document":                   {"schemas", "schemas/rawjson", "schemas/ecs", "schemas/cim", "schemas/ocsf"},
	"schemas/ocsf":                       {"schemas", "schemas/rawjson"},
	"pipeline":                           {"schemas", "github.com/cenkalti/backoff/v4", "github.com/prometheus/client_golang", "golang.org/x/sync"},
	"pipeline/checkpoint":                {"pipeline", "schemas", "schemas/history", "internal/durable", "go.etcd.io/bbolt"},
	"pipeline/checkpoint/checkpointtest": {"pipeline"},
	"pipeline/pipelinetest":              {"pipeline"},
	"sinks":                              {"pipeline", "internal/strictyaml", "go.yaml.in/yaml/v3", "github.com/prometheus/client_golang"},
	"sinks/sinktest":                     {"pipeline", "schemas"},
	"sinks/elasticsearch":                append([]string{"sinks", "schemas/ecs", "github.com/klauspost/compress"}, component...),
	"sinks/file":                         append([]string{"sinks", "internal/durable"}, component...),
	"sinks/kafka": append([]string{
		"sinks", "sinks/kafka/internal/batch", "sinks/kafka/internal/markers", "sinks/kafka/internal/mskiam", "sinks/kafka/internal/registry",
		"sinks/kafka/internal/txn", "sinks/kafka/internal/wire", "github.com/segmentio/kafka-go",
	}, component...),
	"sinks/kafka/internal/batch":    {"github.com/segmentio/kafka-go"},
	"sinks/kafka/internal/markers":  {"sinks/kafka/internal/batch", "sinks/kafka/internal/wire"},
	"sinks/kafka/internal/mskiam":   {"github.com/segmentio/kafka-go", "github.com/aws/aws-sdk-go-v2"},
	"sinks/kafka/internal/registry": {"pipeline", "internal/httpclient"},
	"sinks/kafka/internal/txn":      {"sinks/kafka/internal/batch", "sinks/kafka/internal/wire", "github.com/segmentio/kafka-go"},
	"sinks/kafka/internal/wire":     {"github.com/segmentio/kafka-go"},
	"sinks/s3":                      append([]string{"sinks", "sinks/s3/format", "github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go"}, component...),
	"sinks/s3/format":               {"pipeline", "schemas", "schemas/history", "schemas/document", "internal/strictyaml", "github.com/klauspost/compress", "github.com/parquet-go/parquet-go"},
	"sinks/sqlite":                  append([]string{"sinks", "internal/durable", "modernc.org/sqlite"}, component...),
	"sinks/splunkhec":               append([]string{"sinks", "github.com/klauspost/compress"}, component...),
	"sinks/splunkhec/hectest":       {},
	"sources":                       {"pipeline", "internal/strictyaml", "go.yaml.in/yaml/v3", "github.com/prometheus/client_golang"},
	"sources/sourcetest":            {"pipeline", "schemas"},
	"sources/openai":                append([]string{"sources"}, component...),
	"sources/openai/auditlog":       {"schemas/rawjson"},
	"schemas/history":               {"schemas", "github.com/linkedin/goavro/v2"},
	"integrations/sigma":            {},
	"integrations/splunk":           {},
	"internal/archtest":             {},
	"internal/control":              {},
	"internal/bench":                {},
	"internal/charttest":            {},
	"internal/clustertest":          {},
	"internal/crash":                {},
	"internal/durable":              {},
	"internal/eventtest":            {"internal/openaisim", "internal/strictyaml", "pipeline", "schemas", "sources", "sources/openai"},
	"internal/httpclient":           {"pipeline", "internal/strictyaml"},
	"internal/mutants":              {},
	"internal/openaisim":            {"sources/openai/auditlog"},
	"internal/secret":               {"internal/strictyaml"},
	"internal/sim":                  {"pipeline", "schemas"},
	"internal/testserver":           {},
	"internal/tracing": {
		"pipeline", "internal/httpclient", "github.com/cenkalti/backoff/v4", "github.com/go-logr/logr", "go.opentelemetry.io/otel", "go.opentelemetry.io/proto/otlp", "google.golang.org/protobuf",
	},
	"internal/tracing/tracingtest": {"go.opentelemetry.io/proto/otlp", "google.golang.org/protobuf"},
	"internal/strictyaml":          {"go.yaml.in/yaml/v3"},
}

// forTests are packages that nothing but tests may import.
var forTests = []string{
	"pipeline/checkpoint/checkpointtest", "pipeline/pipelinetest", "sinks/sinktest", "sinks/splunkhec/hectest", "sources/sourcetest",
	"internal/archtest", "internal/bench", "internal/charttest", "internal/clustertest", "internal/crash", "internal/eventtest", "internal/mutants", "internal/sim", "internal/testserver", "internal/tracing/tracingtest",
}

func TestImports(t *testing.T) {
	imports := readImports(t)
	for pkg := range allowed {
		if imports[pkg] == nil {
			t.Errorf("%s is listed and not there", pkg)
		}
	}
	for pkg, list := range imports {
		command := strings.HasPrefix(pkg, "cmd/")
		may, listed := allowed[pkg]
		if !listed && !command {
			t.Errorf("%s: say in this test what it may import", pkg)
			continue
		}
		for _, imported := range list {
			switch {
			case slices.Contains(forTests, imported):
				t.Errorf("%s imports %s, which is for tests", pkg, imported)
			case !command && !slices.ContainsFunc(may, func(m string) bool { return covers(m, imported) }):
				t.Errorf("%s imports %s; it may import %v", pkg, imported, may)
			}
		}
	}
}

// covers reports whether imported is m, or, if m is a module, in it.
func covers(m, imported string) bool {
	return imported == m || isModule(m) && strings.HasPrefix(imported, m+"/")
}

// isModule reports whether path is outside this module and the standard library:
// its first element is a host.
func isModule(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	return strings.Contains(first, ".")
}

// readImports returns what every package's files, tests left aside, import, by its
// path in the module: packages of ours and of other modules, on every platform.
func readImports(t *testing.T) map[string][]string {
	t.Helper()
	root := filepath.Join("..", "..")
	imports := make(map[string][]string)
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, ".go"):
			return nil
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		pkg := path.Dir(filepath.ToSlash(rel))
		if imports[pkg] == nil {
			imports[pkg] = []string{}
		}
		if strings.HasSuffix(file, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return fmt.Errorf("parse %s: %w", rel, err)
		}
		for _, spec := range f.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if ours, ok := strings.CutPrefix(p, module+"/"); ok {
				p = ours
			} else if !isModule(p) {
				continue
			}
			if !slices.Contains(imports[pkg], p) {
				imports[pkg] = append(imports[pkg], p)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return imports
}
