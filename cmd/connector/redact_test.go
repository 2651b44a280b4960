package main

import (
	"database/sql"
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
)

// exported is what the tests look at in a line of normalized JSON.
type exported struct {
	ID    string `json:"event_id"`
	Actor struct {
		Email string `json:"email"`
		IP    string `json:"ip"`
	} `json:"actor"`
	Raw *json.RawMessage `json:"raw"`
}

// exportedLines returns the lines of a file by event.
func exportedLines(t *testing.T, file string) (map[string]exported, map[string]string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	events, lines := make(map[string]exported), make(map[string]string)
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		var e exported
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		events[e.ID], lines[e.ID] = e, line
	}
	return events, lines
}

const hashKey = "an-invented-key-of-the-test"

func TestOneSinkGetsLessThanTheOther(t *testing.T) {
	inFolder(t, map[string]string{"connector.yaml": `
sources:
  - name: acme
    type: openai
    config: { admin_key: "${env:OPENAI_ADMIN_KEY}", base_url: "${env:OPENAI_BASE_URL}", requests_per_second: 1000 }
sinks:
  - { name: all, type: file, config: { path: all.jsonl } }
  - { name: some, type: file, config: { path: some.jsonl }, drop: [actor.email], hash: [actor.ip], hash_key: "${file:key}" }
  - { name: db, type: sqlite, config: { path: some.db }, drop: [actor.email], hash: [actor.ip], hash_key: "${file:key}" }
`, "key": hashKey + "\n"})
	_, env := simulator(t, openaisim.Config{Seed: 5, Events: 600})
	code, stdout, stderr := real(t, env, "validate")
	if want := "acme/some gets less than the record; hashed: actor.ip; left out: actor.email, raw\n"; code != exitOK || !strings.Contains(stdout, want) || strings.Contains(stdout, "acme/all gets") {
		t.Errorf("validate: exit %d, %s%s", code, stdout, stderr)
	}
	code, stdout, stderr = real(t, env, "run", "--once", "--log-level", "debug")
	if code != exitOK {
		t.Fatalf("run: exit %d, %s", code, stderr)
	}
	if strings.Contains(stdout+stderr, hashKey) {
		t.Error("the key is in the log")
	}
	all, _ := exportedLines(t, "all.jsonl")
	some, text := exportedLines(t, "some.jsonl")
	if len(all) != 600 || len(some) != 600 {
		t.Fatalf("%d and %d events", len(all), len(some))
	}
	db, err := sql.Open("sqlite", "some.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	byAddress := make(map[string]string)
	emails, addresses := 0, 0
	for id, e := range all {
		got := some[id]
		var row string // everything the database has of the event
		if err := db.QueryRow(`SELECT (SELECT concat_ws('|', actor_email, actor_ip, targets, changes, details, error_message, length(raw)) FROM audit_events WHERE event_id = id)
			|| concat_ws('|', actor, project, type) FROM audit_logs WHERE id = ?`, id).Scan(&row); err != nil {
			t.Fatal(err)
		}
		if got.Raw != nil || e.Raw == nil || !strings.Contains(row, "|0") {
			t.Errorf("raw of %s: %s, %s", id, text[id], row)
		}
		if e.Actor.Email != "" {
			emails++
			if lower := strings.ToLower(text[id] + row); strings.Contains(lower, strings.ToLower(e.Actor.Email)) {
				t.Errorf("%s has %s:\n%s\n%s", id, e.Actor.Email, text[id], row)
			}
		}
		if e.Actor.IP != "" {
			addresses++
			hash, err := netip.ParseAddr(got.Actor.IP)
			if known, ok := byAddress[e.Actor.IP]; err != nil || !hash.IsPrivate() || ok && known != got.Actor.IP || !strings.Contains(row, got.Actor.IP) {
				t.Errorf("%s: address %q (%v), before %q: %s", id, got.Actor.IP, err, known, row)
			}
			byAddress[e.Actor.IP] = got.Actor.IP
			if strings.Contains(text[id]+row, e.Actor.IP) {
				t.Errorf("%s has the address %s", id, e.Actor.IP)
			}
		}
	}
	if emails < 100 || addresses < 100 {
		t.Errorf("%d e-mail and %d IP addresses: this test proves nothing", emails, addresses)
	}
}

func TestHashKeyIsChecked(t *testing.T) {
	text := func(key string) string {
		return "sources: [{name: a, type: fake, config: {key: '${env:K}'}}]\nsinks:\n  - name: b\n    type: memory\n    hash: [actor.ip]\n    hash_key: " + key + "\n"
	}
	for key, want := range map[string]struct{ validate, run string }{
		"short-literal":   {"6:15: sinks[0].hash_key: has 13 bytes, want at least 16", "has 13 bytes"},
		"${env:SHORT}":    {"", "6:15: sinks[0].hash_key: has 7 bytes, want at least 16"},
		"${file:missing}": {"", "sinks[0].hash_key: file missing: no such file"},
		"${env:LONG}":     {"", ""},
	} {
		t.Run(key, func(t *testing.T) {
			inFolder(t, map[string]string{"c.yaml": text(key)})
			w := newWorld(t)
			w.env = map[string]string{"K": "k", "SHORT": "tooshrt", "LONG": hashKey}
			for verb, want := range map[string]string{"validate": want.validate, "run --once": want.run} {
				code := w.exec(t.Context(), append(strings.Fields(verb), "-c", "c.yaml")...)
				if (code == exitUsage) != (want != "") || !strings.Contains(w.err.String(), want) || strings.Contains(w.err.String(), "tooshrt") {
					t.Errorf("%s: exit %d, want %q: %s", verb, code, want, &w.err)
				}
			}
		})
	}
}

func TestQuarantineHoldsTheRedactedRecord(t *testing.T) {
	w := runWorld(t, strings.Replace(quarantineConfig, "on_reject: quarantine", "on_reject: quarantine, drop: [organization_id]", 1))
	var seen []pipeline.Record
	mend := w.refusing("event-0003")
	refuse := w.deliver
	w.deliver = func(b pipeline.Batch) error { seen = append(seen, b.Records...); return refuse(b) }
	if code := w.exec(t.Context(), "run", "-c", "c.yaml", "--once"); code != exitOK {
		t.Fatalf("exit %d, %s", code, &w.err)
	}
	if code := w.exec(t.Context(), "quarantine", "cat", "-c", "c.yaml"); code != exitOK || !strings.Contains(w.out.String(), `"event_id":"event-0003"`) || !strings.Contains(w.out.String(), `"raw":null`) {
		t.Errorf("cat: exit %d, %s%s", code, &w.out, &w.err)
	}
	mend()
	if r := w.retryOf(t, exitOK, "--all"); len(r) != 1 || r[0].Delivered != 1 {
		t.Errorf("retry: %+v", r)
	}
	w.once(t)
	if len(seen) != 26 {
		t.Errorf("%d records were delivered, want 25 and one again", len(seen))
	}
	for _, r := range seen {
		e, err := schemas.Decode(r.Avro)
		if err != nil || len(e.Raw)+len(r.Audit.Raw)+len(r.Body) > 0 || e.EventID != r.ID || r.Audit.EventType == "" {
			t.Errorf("%v: %s %+v", err, r.Body, r.Audit)
		}
	}
}
