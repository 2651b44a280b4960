package splunk

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rules are the Sigma rules by the searches that begin with their queries.
var rules = map[string]string{
	"OpenAI - Owner role granted":               "openai_owner_role_granted",
	"OpenAI - API key created by a new address": "openai_api_key_by_new_address",
	"OpenAI - Failed logins, then a success":    "openai_failed_logins_then_success",
	"OpenAI - IP allow-list opened":             "openai_ip_allowlist_opened",
	"OpenAI - Connector key used for anything":  "openai_connector_key_used",
	"OpenAI - SSO or SCIM disabled":             "openai_sso_or_scim_disabled",
}

func readSigma(t *testing.T, parts ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", "sigma"}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// decodeSigma reads a table of the samples that queries find, the same for which the
// rules are run on an OpenSearch.
func decodeSigma(t *testing.T, file string) (table map[string][]string) {
	t.Helper()
	if err := json.Unmarshal(readSigma(t, "testdata", file), &table); err != nil {
		t.Fatal(err)
	}
	return table
}

// TestSavedSearches applies what each search looks for to the samples. What it does
// with the events it finds is not run: that takes a Splunk.
func TestSavedSearches(t *testing.T) {
	searches, all, found := readConf(t, "savedsearches.conf"), samples(t), decodeSigma(t, "matches.json")
	if len(searches) != len(rules) || len(found) != len(rules) {
		t.Errorf("%d searches and %d rules, want %d", len(searches), len(found), len(rules))
	}
	for name, settings := range searches {
		if settings["description"] == "" || settings["cron_schedule"] == "" || settings["enableSched"] != "0" {
			t.Errorf("%s: %v", name, settings)
		}
		query := strings.TrimSpace(string(readSigma(t, "splunk", rules[name]+".txt")))
		if want := "`openai_audit` (" + query + ") | "; !strings.HasPrefix(settings["search"], want) {
			t.Errorf("%s is %q, want it to begin with %q", name, settings["search"], want)
		}
		if got, want := matching(t, all, expand(t, settings["search"])), found[rules[name]]; !slices.Equal(got, want) {
			t.Errorf("%s finds %q, want %q", name, got, want)
		}
	}
}

func TestConnectorKeyIsFoundOnceItIsSet(t *testing.T) {
	search, all := readConf(t, "savedsearches.conf")["OpenAI - Connector key used for anything"]["search"], samples(t)
	for key, want := range decodeSigma(t, "keys.json") {
		set := strings.ReplaceAll(search, "`openai_audit_connector_key`", `"`+key+`"`)
		if got := matching(t, all, expand(t, set)); !slices.Equal(got, want) {
			t.Errorf("with the key %s: %q, want %q", key, got, want)
		}
	}
}
