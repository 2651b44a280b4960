package openai

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"auditlog-connector/pipeline"
	"auditlog-connector/sources"
)

func TestWarnsWhenItsOwnKeyActs(t *testing.T) {
	entry := func(id string, at int, key string) string {
		return fmt.Sprintf(`{"id":%q,"type":"project.created","effective_at":%d,"actor":{"type":"api_key","api_key":{"id":%q,"type":"user"}},"project.created":{"id":"key_ours"}}`, id, at, key)
	}
	page := func(entries ...string) string {
		return `{"data":[` + strings.Join(entries, ",") + `],"has_more":false}`
	}
	const at = 1700000000
	var logged bytes.Buffer
	body := ""
	s := openSource(t, func(c *Config) { c.KeyID = "key_ours" }, sources.Env{
		Logger:    slog.New(slog.NewTextHandler(&logged, nil)),
		Transport: server(func(r *http.Request) (int, http.Header, string) { return 200, nil, body }),
	})
	for _, step := range []struct{ name, body, want string }{
		{"another key acts", page(entry("a1", at, "key_other")), ""},
		{"ours does, twice", page(entry("a3", at+2, "key_ours"), entry("a2", at+1, "key_ours")), "events=2 event_id=a3 type=project.created"},
		{"the same page again", page(entry("a3", at+2, "key_ours"), entry("a2", at+1, "key_ours")), ""},
		{"and once more", page(entry("a4", at+3, "key_ours"), entry("a3", at+2, "key_ours")), "events=1 event_id=a4"},
	} {
		logged.Reset()
		body = step.body
		if _, err := s.Page(t.Context(), pipeline.PageRequest{Stream: StreamOrganization}); err != nil {
			t.Fatal(err)
		}
		warned := strings.Contains(logged.String(), "own key did something")
		if warned != (step.want != "") || !strings.Contains(logged.String(), step.want) {
			t.Errorf("%s: logged %q, want %q", step.name, logged.String(), step.want)
		}
	}
}

func TestKeyIDIsNotAKey(t *testing.T) {
	c := defaults()
	c.KeyID = "sk-admin-something"
	for _, err := range validate(&c) {
		if strings.Contains(err.Error(), "this is a key") {
			if strings.Contains(err.Error(), "something") {
				t.Errorf("the key is in the error: %v", err)
			}
			return
		}
	}
	t.Error("a key is taken for a key's id")
}
