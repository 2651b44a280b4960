package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/internal/testserver"
)

func TestArchiveNeedsAnS3Lane(t *testing.T) {
	const head = "sources: [{ name: acme, type: openai, config: { admin_key: '${env:OPENAI_ADMIN_KEY}' } }]\nsinks:\n"
	const db = "  - { name: db, type: sqlite }\n"
	const one, two = "  - { name: one, type: s3, config: { bucket: audit } }\n", "  - { name: two, type: s3, config: { bucket: audit, prefix: two } }\n"
	for _, c := range []struct {
		name, sinks string
		args        []string
		want        string
	}{
		{"no s3 sink", db, []string{"ls"}, "has no s3 sink"},
		{"another type", db + one, []string{"ls", "--lane", "acme/db"}, "has a sqlite sink"},
		{"several", one + two, []string{"cat"}, "acme/one, acme/two"},
		{"unknown lane", one, []string{"verify", "--lane", "acme/on"}, "acme/one"},
		{"no day", one, []string{"ls", "--from", "yesterday"}, "want a day"},
		{"days the wrong way round", one, []string{"ls", "--from", "2026-11-02", "--to", "2026-11-02"}, "after --from"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFolder(t, map[string]string{"connector.yaml": head + c.sinks})
			code, _, stderr := real(t, nil, append([]string{"archive"}, c.args...)...)
			if code != exitUsage || !strings.Contains(stderr, c.want) {
				t.Errorf("exit %d, %s, want %q", code, stderr, c.want)
			}
		})
	}
}

func TestArchiveReadsWhatWasWritten(t *testing.T) {
	testserver.Require(t)
	server := testserver.MinIO(t, testserver.S3Options{})
	t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretKey)
	client := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(server.AccessKey, server.SecretKey, ""),
	})
	bucket := "audit"
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	sim, env := simulator(t, openaisim.Config{Seed: 3, Events: 500})
	inFolder(t, map[string]string{"connector.yaml": fmt.Sprintf(`sources:
  - { name: acme, type: openai, config: { admin_key: "${env:OPENAI_ADMIN_KEY}", base_url: %q } }
http: { listen: "" }
sinks:
  - name: archive
    type: s3
    start: earliest
    batch: { max_events: 40 }
    config: { bucket: audit, endpoint: %q, path_style: true }
`, env["OPENAI_BASE_URL"], server.URL)})
	if code, stdout, stderr := real(t, env, "check"); code != exitOK {
		t.Fatalf("check: exit %d\n%s%s", code, stdout, stderr)
	}
	if code, _, stderr := real(t, env, "run", "--once", "--log-level", "warn"); code != exitOK {
		t.Fatalf("run: exit %d, %s", code, stderr)
	}

	env = nil // from here on the bucket alone
	code, stdout, stderr := real(t, env, "archive", "verify")
	if code != exitOK || !strings.Contains(stdout, "of 1 epochs, 500 events") || !strings.Contains(stdout, ": 0 problems") {
		t.Errorf("verify: exit %d, %s%s", code, stdout, stderr)
	}

	code, stdout, stderr = real(t, env, "archive", "ls", "--long", "-o", "json")
	var batches []archivedBatch
	if err := json.Unmarshal([]byte(stdout), &batches); code != exitOK || err != nil {
		t.Fatalf("ls: exit %d, %v, %s", code, err, stderr)
	}
	events := 0
	for i, b := range batches {
		events += b.Events
		if !strings.HasSuffix(b.Batch, fmt.Sprintf("/%020d", i+1)) || b.First == nil || b.First.IsZero() {
			t.Errorf("batch %d is %+v", i, b)
		}
	}
	if events != 500 {
		t.Errorf("ls --long says %d events", events)
	}
	if code, stdout, _ = real(t, env, "archive", "ls"); code != exitOK || strings.Count(stdout, "\n") != len(batches)+1 {
		t.Errorf("ls: exit %d\n%s", code, stdout)
	}

	code, stdout, stderr = real(t, env, "archive", "cat", "--lane", "acme/archive")
	ids := make(map[string]bool)
	for line := range bytes.Lines([]byte(stdout)) {
		var e struct {
			ID string `json:"event_id"`
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		ids[e.ID] = true
	}
	for e := range sim.Events() {
		if !ids[e.ID] {
			t.Errorf("event %s is not printed", e.ID)
		}
	}
	if code != exitOK || strings.Count(stdout, "\n") != 500 {
		t.Errorf("cat: exit %d, %d lines, %s", code, strings.Count(stdout, "\n"), stderr)
	}
	day, err := time.Parse(time.DateOnly, batches[len(batches)-1].Day)
	if err != nil {
		t.Fatal(err)
	}
	if code, stdout, _ = real(t, env, "archive", "cat", "--from", day.AddDate(0, 0, 1).Format(time.DateOnly)); code != exitOK || stdout != "" {
		t.Errorf("cat of days after the last: exit %d, %s", code, stdout)
	}

	gone := strings.TrimPrefix(batches[1].Location, "s3://audit/")
	if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: &gone}); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr = real(t, env, "archive", "verify")
	if code != exitFailure || !strings.Contains(stdout, "batch 2 is missing") || stderr != "" {
		t.Errorf("verify without batch 2: exit %d, %s%s", code, stdout, stderr)
	}
	if code, stdout, _ = real(t, env, "archive", "verify", "-o", "json"); code != exitFailure || !strings.Contains(stdout, `"problems": 1`) {
		t.Errorf("verify -o json: exit %d, %s", code, stdout)
	}
}
