package s3

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/schemas"
)

// athenaType is how Athena declares an Avro type.
func athenaType(t *testing.T, avro any) string {
	t.Helper()
	switch v := avro.(type) {
	case string:
		return map[string]string{"string": "string", "boolean": "boolean", "bytes": "binary", "long": "bigint"}[v]
	case []any: // null, and something
		return athenaType(t, v[1])
	case map[string]any:
		switch v["type"] {
		case "record":
			var fields []string
			for _, f := range v["fields"].([]any) {
				m := f.(map[string]any)
				fields = append(fields, fmt.Sprintf("%s:%s", m["name"], athenaType(t, m["type"])))
			}
			return "struct<" + strings.Join(fields, ",") + ">"
		case "array":
			return "array<" + athenaType(t, v["items"]) + ">"
		case "map":
			return "map<string," + athenaType(t, v["values"]) + ">"
		case "long":
			if v["logicalType"] == "timestamp-millis" {
				return "timestamp"
			}
		}
	}
	t.Fatalf("no Athena type for %v", avro)
	return ""
}

func TestTableOfTheReadmeHasTheSchemasColumns(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	ddl := regexp.MustCompile(`(?s)CREATE EXTERNAL TABLE audit_log \((.*?)\n\)`).FindSubmatch(text)
	if ddl == nil {
		t.Fatal("README.md has no table")
	}
	var got []string
	for line := range strings.Lines(string(ddl[1])) {
		if line = strings.TrimSuffix(strings.TrimSpace(line), ","); line != "" {
			got = append(got, line)
		}
	}
	var schema struct{ Fields []map[string]any }
	if err := json.Unmarshal([]byte(schemas.Schema()), &schema); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, f := range schema.Fields {
		want = append(want, fmt.Sprintf("%s %s", f["name"], athenaType(t, f["type"])))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the table has\n%s\nthe schema\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestPoliciesOfTheReadmeAreJSON(t *testing.T) {
	for _, words := range []string{"AuditLogWriter", "NeverWriteOverABatch"} {
		if !json.Valid([]byte(readmeJSON(t, words))) {
			t.Errorf("%s is not JSON", words)
		}
	}
}

// TestPoliciesOfTheReadmeTogether gives an account what the README's policy allows, and
// the bucket what it refuses; all but the conditions, which only AWS has.
func TestPoliciesOfTheReadmeTogether(t *testing.T) {
	testserver.Require(t)
	server := testserver.Versity(t, testserver.S3Options{})
	s := newStore(t, server.URL, "", "audit-bucket")
	s.create(t)
	server.Account(t, "user", "writer", "secret-of-writer")
	var statements []map[string]any
	for _, words := range []string{"AuditLogWriter", "NeverDelete"} {
		var p struct{ Statement []map[string]any }
		if err := json.Unmarshal([]byte(readmeJSON(t, words)), &p); err != nil {
			t.Fatal(err)
		}
		for _, one := range p.Statement {
			if _, ok := one["Condition"]; ok {
				continue
			}
			if one["Principal"] == nil {
				one["Principal"] = map[string]any{"AWS": []string{"writer"}}
			}
			statements = append(statements, one)
		}
	}
	set := func(statements []map[string]any) {
		text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
		if err != nil {
			t.Fatal(err)
		}
		policy := string(text)
		if _, err := s.client.PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: &s.bucket, Policy: &policy}); err != nil {
			t.Fatal(err)
		}
	}
	set(statements)
	t.Setenv("AWS_ACCESS_KEY_ID", "writer")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret-of-writer")
	f := on(t, s, "prefix: openai\ncompression: none")
	for name, line := range findings(t, f.sink) {
		if line != "ok" && name != "encryption" {
			t.Errorf("check: %s: %s", name, line)
		}
	}
	f.claim(1)
	f.partSize = 5 << 20
	b := f.batch(1, 3)
	f.deliver(b)
	f.deliver(f.big(2, 12<<20))
	// What the bucket refuses holds whatever else is allowed.
	set(append(statements, map[string]any{
		"Effect": "Allow", "Action": "s3:DeleteObject", "Principal": map[string]any{"AWS": []string{"writer"}}, "Resource": "arn:aws:s3:::audit-bucket/*",
	}))
	k := key(f, b)
	if _, err := f.conn.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &s.bucket, Key: &k}); explain(err).status != 403 {
		t.Errorf("delete: %v, want 403", err)
	}
}
