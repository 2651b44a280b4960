//go:build measure

package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"auditlog-connector/internal/openaisim"
)

// The environment of a process that is a loop and not a test.
const (
	loopEnv     = "BENCH_LOOP"      // which
	loopBaseEnv = "BENCH_LOOP_BASE" // where the API is
)

// loops are the programs that people write by hand: one page after the other, each
// entry on a line of a file, no checkpoint, no overlap, nothing to resume from.
var loops = []struct {
	name string
	run  func(base string, out io.Writer) error
}{
	{"plain loop, as served", func(base string, out io.Writer) error {
		return plainLoop(base, func(entry json.RawMessage) error {
			_, err := fmt.Fprintf(out, "%s\n", entry)
			return err
		})
	}},
	{"plain loop, mapped", func(base string, out io.Writer) error {
		lines := json.NewEncoder(out)
		return plainLoop(base, func(entry json.RawMessage) error {
			flat, err := mapped(entry)
			if err != nil {
				return err
			}
			return lines.Encode(flat)
		})
	}},
	{"official Go SDK", sdkLoop},
}

// TestMain is one of the loops in a process that TestCompare started.
func TestMain(m *testing.M) {
	name, ok := os.LookupEnv(loopEnv)
	if !ok {
		os.Exit(m.Run())
	}
	for _, l := range loops {
		if l.name != name {
			continue
		}
		w := bufio.NewWriterSize(os.NewFile(3, "out"), 1<<16)
		if err := errors.Join(l.run(os.Getenv(loopBaseEnv), w), w.Flush()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// TestCompare reads the same log with the connector and with each loop, in turn,
// each in a process of its own.
func TestCompare(t *testing.T) {
	sim, base := simulate(t, openaisim.Config{Seed: 1, Events: *events, Both: -1})
	for range *rounds {
		for _, s := range []string{"file", "raw"} {
			*sinkType = s
			t.Log(connector(t, sim, base))
		}
		for _, l := range loops {
			t.Log(loop(t, sim, base, l.name))
		}
	}
}

// loop runs one of the loops and returns what it took.
func loop(t *testing.T, sim *openaisim.Server, base, name string) measured {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out.jsonl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), loopEnv+"="+name, loopBaseEnv+"="+base)
	cmd.ExtraFiles = []*os.File{f}
	before, began := sim.Stats(), time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	peak := watchPeak(cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	wall, after := time.Since(began), sim.Stats()
	if n, _ := newLines(t, path, 0); n < *events {
		t.Fatalf("%s wrote %d of %d events", name, n, *events)
	}
	return measured{name: name, events: *events, wall: wall, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), rss: peak(),
		pages: after.Pages - before.Pages, served: after.Entries - before.Entries}
}

// plainLoop pages both listings to their ends.
func plainLoop(base string, each func(json.RawMessage) error) error {
	for _, tenant := range []string{"false", "true"} {
		for after := ""; ; {
			p, err := getPage(base, url.Values{"limit": {"100"}, "tenant_only": {tenant}, "after": {after}})
			if err != nil {
				return err
			}
			for _, e := range p.Data {
				if err := each(e); err != nil {
					return err
				}
			}
			if !p.HasMore {
				break
			}
			after = p.LastID
		}
	}
	return nil
}

// mapped is what a script makes of an entry: a flat object with the fields that one
// looks for, and the entry itself.
func mapped(entry json.RawMessage) (map[string]any, error) {
	var e map[string]any
	if err := json.Unmarshal(entry, &e); err != nil {
		return nil, err
	}
	kind, _ := e["type"].(string)
	at, _ := e["effective_at"].(float64)
	actor, _ := e["actor"].(map[string]any)
	session, _ := actor["session"].(map[string]any)
	key, _ := actor["api_key"].(map[string]any)
	user, _ := session["user"].(map[string]any)
	if user == nil {
		user, _ = key["user"].(map[string]any)
	}
	details, _ := e[kind].(map[string]any)
	return map[string]any{
		"event_id": e["id"], "event_type": kind, "time": time.Unix(int64(at), 0).UTC().Format(time.RFC3339),
		"actor_type": actor["type"], "actor_id": user["id"], "actor_email": user["email"], "actor_ip": session["ip_address"], "user_agent": session["user_agent"],
		"api_key_id": key["id"], "target_id": details["id"], "project": e["project"], "details": details, "raw": entry,
	}, nil
}

func sdkLoop(base string, out io.Writer) error {
	client := openai.NewClient(option.WithBaseURL(base+"/"), option.WithAdminAPIKey(openaisim.DefaultAdminKey))
	for _, tenant := range []bool{false, true} {
		pages := client.Admin.Organization.AuditLogs.ListAutoPaging(context.Background(), openai.AdminOrganizationAuditLogListParams{Limit: openai.Int(100), TenantOnly: openai.Bool(tenant)})
		for pages.Next() {
			if _, err := fmt.Fprintf(out, "%s\n", pages.Current().RawJSON()); err != nil {
				return err
			}
		}
		if err := pages.Err(); err != nil {
			return err
		}
	}
	return nil
}
