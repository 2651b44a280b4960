package sigma

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/internal/testserver"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/ecs"
)

// node is an OpenSearch with the templates of integrations/elastic.
type node struct{ *testserver.OpenSearch }

func startNode(t *testing.T) node {
	t.Helper()
	testserver.Require(t)
	n := node{testserver.StartOpenSearch(t, testserver.OpenSearchOptions{})}
	for path, file := range map[string]string{
		"/_component_template/openai-audit-mappings": "component-mappings.json",
		"/_component_template/openai-audit-settings": "component-settings.json",
	} {
		n.Must(t, "PUT", path, read(t, "..", "elastic", file))
	}
	n.Must(t, "PUT", "/_index_template/openai-audit", read(t, "..", "elastic", "index-template.json"))
	return n
}

// load fills an index with the documents of events, by the ids that they have there.
func (n node) load(t *testing.T, index string, events map[string]schemas.AuditEvent) {
	t.Helper()
	var body strings.Builder
	for id, e := range events {
		action, err := json.Marshal(map[string]any{"create": map[string]string{"_id": id}})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&body, "%s\n%s\n", action, ecs.Append(nil, &e))
	}
	var answer struct {
		Errors bool
		Items  []json.RawMessage
	}
	if err := json.Unmarshal(n.Must(t, "POST", "/"+index+"/_bulk?refresh=true", body.String()), &answer); err != nil || answer.Errors || len(answer.Items) != len(events) {
		t.Fatalf("%d of %d documents, errors %t, %v", len(answer.Items), len(events), answer.Errors, err)
	}
}

// find returns the ids of the documents that a Lucene query finds.
func (n node) find(t *testing.T, index, query string) []string {
	t.Helper()
	var answer struct {
		Hits struct {
			Hits []struct {
				ID string `json:"_id"`
			}
		}
	}
	if err := json.Unmarshal(n.Must(t, "GET", "/"+index+"/_search?size=1000&_source=false&q="+url.QueryEscape(query), ""), &answer); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, h := range answer.Hits.Hits {
		ids = append(ids, h.ID)
	}
	slices.Sort(ids)
	return ids
}

// TestOpenSearch runs the queries on a real node, on documents as the connector makes
// them. What a rule finds among the samples of every event type is all it may find.
func TestOpenSearch(t *testing.T) {
	n := startNode(t)
	t.Run("lucene", func(t *testing.T) { testLucene(t, n) })
	t.Run("failed sign-ins, then one that succeeds", func(t *testing.T) { testLogins(t, n) })
	t.Run("an API key by a new address", func(t *testing.T) { testNewAddress(t, n) })
}

func testLucene(t *testing.T, n node) {
	const index = "audit-openai-samples"
	events := make(map[string]schemas.AuditEvent)
	for _, s := range eventtest.Samples(t) {
		events[s.Name] = s.Event
	}
	n.load(t, index, events)
	var want, keys map[string][]string
	decode(t, "matches.json", &want)
	decode(t, "keys.json", &keys)
	for _, file := range files(t, "rules/*.yml") {
		name := strings.TrimSuffix(filepath.Base(file), ".yml")
		names, ok := want[name]
		if got := n.find(t, index, read(t, "lucene", name+".txt")); !ok || !slices.Equal(got, names) {
			t.Errorf("%s finds %q, want %q", name, got, names)
		}
	}
	query := read(t, "lucene", "openai_connector_key_used.txt")
	for key, names := range keys {
		if got := n.find(t, index, strings.ReplaceAll(query, "key_of_the_connector", key)); !slices.Equal(got, names) {
			t.Errorf("with the key %s: %q, want %q", key, got, names)
		}
	}
}

func decode(t *testing.T, file string, to any) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, "testdata", file)), to); err != nil {
		t.Fatal(err)
	}
}

// act is something that an account does from an address, some time ago.
type act struct {
	kind, account, address string // an account may be unknown
	ago                    time.Duration
}

// events makes entries of acts, as the API serves them.
func events(t *testing.T, acts []act) map[string]schemas.AuditEvent {
	t.Helper()
	now := time.Now()
	normalize := eventtest.Normalizer(t)
	all := make(map[string]schemas.AuditEvent)
	for i, a := range acts {
		id, at := fmt.Sprintf("audit_log-%d", i), now.Add(-a.ago)
		session := map[string]any{"ip_address": a.address}
		if a.account != "" {
			session["user"] = map[string]any{"id": a.account, "email": a.account + "@example.com"}
		}
		body, err := json.Marshal(map[string]any{
			"id": id, "type": a.kind, "effective_at": at.Unix(), "actor": map[string]any{"type": "session", "session": session}, a.kind: map[string]any{"id": "x"},
		})
		if err != nil {
			t.Fatal(err)
		}
		all[id] = normalize(id, at, body)
	}
	return all
}

// aggregate runs an aggregation and returns the keys of the buckets of each.
func (n node) aggregate(t *testing.T, index, file string) map[string][]string {
	t.Helper()
	var answer struct {
		Aggregations map[string]struct {
			Buckets []struct{ Key any }
		}
	}
	if err := json.Unmarshal(n.Must(t, "POST", "/"+index+"/_search", read(t, "aggregations", file)), &answer); err != nil {
		t.Fatal(err)
	}
	found := make(map[string][]string)
	for name, a := range answer.Aggregations {
		found[name] = []string{}
		for _, b := range a.Buckets {
			if pair, ok := b.Key.(map[string]any); ok {
				b.Key = fmt.Sprint(pair["account"], " ", pair["address"])
			}
			found[name] = append(found[name], fmt.Sprint(b.Key))
		}
		slices.Sort(found[name])
	}
	return found
}

func testLogins(t *testing.T, n node) {
	const failed, succeeded = "login.failed", "login.succeeded"
	// burst is five failures, one every step, the last of them ago.
	burst := func(account, address string, ago, step time.Duration) (acts []act) {
		for i := range 5 {
			acts = append(acts, act{failed, account, address, ago + time.Duration(i)*step})
		}
		return acts
	}
	const m = time.Minute
	acts := slices.Concat(
		// Found by address: who failed is not known.
		burst("", "192.0.2.1", 5*m, m), []act{{succeeded, "ana", "192.0.2.1", 2 * m}},
		// Found by account: each time from elsewhere.
		[]act{
			{failed, "bea", "192.0.2.10", 9 * m}, {failed, "bea", "192.0.2.11", 8 * m}, {failed, "bea", "192.0.2.12", 7 * m},
			{failed, "bea", "192.0.2.13", 6 * m}, {failed, "bea", "192.0.2.14", 5 * m}, {succeeded, "bea", "192.0.2.15", 4 * m},
		},
		// Not found: the success comes first, ...
		[]act{{succeeded, "cleo", "192.0.2.3", 15 * m}}, burst("cleo", "192.0.2.3", 5*m, m),
		// ... or there are four, ...
		burst("dan", "192.0.2.4", 5*m, m)[1:], []act{{succeeded, "dan", "192.0.2.4", 2 * m}},
		// ... or they take longer than ten minutes, ...
		burst("eve", "192.0.2.5", 5*m, 3*m), []act{{succeeded, "eve", "192.0.2.5", 2 * m}},
		// ... or nobody gets in, ...
		burst("fay", "192.0.2.6", 5*m, m),
		// ... or it was long ago.
		burst("gus", "192.0.2.7", 50*m, m), []act{{succeeded, "gus", "192.0.2.7", 45 * m}},
	)
	n.load(t, "audit-openai-logins", events(t, acts))
	got := n.aggregate(t, "audit-openai-logins", "openai_failed_logins_then_success.json")
	want := map[string][]string{"accounts": {"bea"}, "addresses": {"192.0.2.1"}}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("found %v, want %v", got, want)
	}
}

func testNewAddress(t *testing.T, n node) {
	const day = 24 * time.Hour
	acts := []act{
		// Found: the address is as new as the key, or as the sign-in before it.
		{"login.succeeded", "ana", "192.0.2.1", 20 * day}, {"api_key.created", "ana", "198.51.100.1", 10 * time.Minute},
		{"login.succeeded", "bea", "198.51.100.2", time.Hour}, {"tenant.admin_api_key.created", "bea", "198.51.100.2", 20 * time.Minute},
		// Not found: the address is known, ...
		{"login.succeeded", "cleo", "192.0.2.3", 3 * day}, {"api_key.created", "cleo", "192.0.2.3", 10 * time.Minute},
		// ... or no key was made from it, ...
		{"login.succeeded", "dan", "198.51.100.4", 10 * time.Minute}, {"api_key.deleted", "dan", "198.51.100.4", 5 * time.Minute},
		// ... or it was made long ago.
		{"api_key.created", "eve", "198.51.100.5", 5 * time.Hour},
		// What is new for one account is not what another one has used.
		{"login.succeeded", "fay", "192.0.2.6", 9 * day}, {"api_key.created", "gus", "192.0.2.6", 10 * time.Minute},
	}
	n.load(t, "audit-openai-keys", events(t, acts))
	got := n.aggregate(t, "audit-openai-keys", "openai_api_key_by_new_address.json")
	want := map[string][]string{"addresses": {"ana 198.51.100.1", "bea 198.51.100.2", "gus 192.0.2.6"}}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("found %v, want %v", got, want)
	}
}
