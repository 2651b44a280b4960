package openai

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"auditlog-connector/internal/httpclient"
)

// makeKey is how to come by a key that works, up to where it goes.
const makeKey = "an organization owner makes one with Audit Logs: Read; put it into "

// loggingPlace is where audit logging is switched on.
const loggingPlace = "Organization settings → Data controls → Data retention → Audit logging"

// advice is what a person can do about an answer without a page.
type advice struct {
	statuses []int    // those it is for; 3 and 5 stand for all of 3xx and 5xx
	marks    []string // one has to be in the error, in lower case; none: whatever it says
	when     func(*situation) bool
	hint     string // {name}s are replaced by Source.fill

	// transient: it may work the next time, whatever the status says.
	transient bool
}

// situation is an answer and what was asked.
type situation struct {
	status int
	text   string // what is wrong, in lower case: message, code and type of the error
	param  string // the parameter that the error is about
	body   []byte
	key    string
	cursor bool   // the request names an entry after which to go on
	base   string // base_url
}

func isHTML(s *situation) bool      { return bytes.HasPrefix(s.body, []byte("<")) }
func isNoObject(s *situation) bool  { return len(s.body) > 0 && s.body[0] != '{' }
func hasAdminKey(s *situation) bool { return isAdminKey(s.key) }
func hasCursor(s *situation) bool   { return s.cursor }
func hasParam(s *situation) bool    { return s.param != "" }
func hasNoV1(s *situation) bool     { return !strings.HasSuffix(s.base, "/v1") }

var (
	ok        = []int{200}
	refused   = []int{401, 403}
	throttled = []int{429}
)

// answers is the advice about answers. The first that fits counts.
var answers = []advice{
	{statuses: refused, marks: []string{"missing scopes", "missing_scope", "insufficient permissions"}, when: hasAdminKey,
		hint: "the admin key lacks the scope api.audit_logs.read: " + makeKey + "{key}"},
	{statuses: refused, marks: []string{"missing scopes", "missing_scope", "insufficient permissions"},
		hint: "the audit log needs an admin key, which begins with sk-admin-, with the scope api.audit_logs.read: " + makeKey + "{key}"},
	{statuses: refused, marks: []string{"ip not authorized", "ip_not_authorized", "allowlist", "allow list"},
		hint: "the organization lets in only the addresses of its IP allowlist: an owner adds the address that this host is seen with"},
	{statuses: []int{400, 401, 403, 404}, marks: []string{"mismatched_organization", "openai-organization header", "no such organization"},
		hint: "organization is not that of the admin key: write the id (org-…) of the organization that made the key, or leave it out"},
	{statuses: refused, marks: []string{"member of an organization", "no_organization"},
		hint: "who made the key is in no organization, or has left it: " + makeKey + "{key}"},
	{statuses: refused, marks: []string{"country", "region, or territory"},
		hint: "the API is not offered in the country that this host's address belongs to: let the connector go out elsewhere, by HTTPS_PROXY for instance"},
	{statuses: []int{400, 403, 404}, marks: []string{"audit logging"},
		hint: "an organization owner enables it in " + loggingPlace + "; it cannot be disabled again"},
	{statuses: refused, marks: []string{"invalid_api_key", "incorrect api key", "invalid api key", "revoked", "expired", "deactivated"},
		hint: "the key is mistyped, revoked or expired: " + makeKey + "{key}"},
	{statuses: refused,
		hint: "the audit log needs a valid admin key with the scope api.audit_logs.read: " + makeKey + "{key}"},

	{statuses: throttled, marks: []string{"insufficient_quota", "current quota", "credit_balance", "billing_hard_limit"},
		hint: "waiting does not help: an organization owner looks at its plan and billing; the connector goes on asking"},
	{statuses: throttled,
		hint: "the connector waits by itself; if it happens often, lower requests_per_second or stop what else uses the organization's admin keys"},

	{statuses: []int{400, 404}, when: hasCursor, transient: true,
		hint: "the entry after which to go on is gone; the span is read again from its beginning"},
	{statuses: []int{400}, when: hasParam,
		hint: "the server does not take the parameter {param}: is base_url {base_url} the API's address?"},
	{statuses: []int{404, 405}, when: hasNoV1,
		hint: "base_url {base_url} has to end in /v1"},
	{statuses: []int{404, 405},
		hint: "is base_url {base_url} the API's address? It is https://api.openai.com/v1 unless the organization's data resides in a region"},
	{statuses: []int{3, 400, 410, 421},
		hint: "is base_url {base_url} the API's address, or does a proxy answer in its place?"},
	{statuses: []int{407},
		hint: "the proxy wants to know who asks: put user and password into HTTPS_PROXY"},

	{statuses: []int{5}, when: isHTML,
		hint: "this comes from what lies between here and the API, its CDN or a proxy; the connector asks again by itself"},
	{statuses: []int{5},
		hint: "this is the API's to mend, see status.openai.com; the connector asks again by itself"},

	{statuses: ok, when: isHTML,
		hint: "{host} does not answer as the API: a proxy's login page or another server at base_url {base_url}"},
	{statuses: ok, when: isNoObject,
		hint: "is base_url {base_url} the API's address?"},
	{statuses: ok, marks: []string{"it has no data"},
		hint: "is base_url {base_url} the API's address?"},
}

// find returns the advice that fits s best; the zero advice is none.
func find(s *situation) advice {
	for _, a := range answers {
		fits := slices.Contains(a.statuses, s.status) || slices.Contains(a.statuses, s.status/100)
		if fits && (a.when == nil || a.when(s)) &&
			(len(a.marks) == 0 || slices.ContainsFunc(a.marks, func(m string) bool { return strings.Contains(s.text, m) })) {
			return a
		}
	}
	return advice{}
}

// about describes a.
func (s *Source) about(a *answer) *situation {
	var body struct {
		Error struct{ Code, Type, Param any }
	}
	_ = json.Unmarshal(a.Body, &body) // it may be anything, and the message stands for it
	word := func(v any) string { text, _ := v.(string); return text }
	e := body.Error
	return &situation{
		status: a.Status, key: a.key, cursor: a.query.Has("after"), base: s.base,
		text:  strings.ToLower(strings.Join([]string{a.Message(), word(e.Code), word(e.Type)}, "\n")),
		param: httpclient.Short(word(e.Param)),
		body:  bytes.TrimSpace(a.Body),
	}
}

// fill replaces what stands for a part of the configuration.
func (s *Source) fill(hint, param string) string {
	return strings.NewReplacer("{key}", s.key.place(), "{base_url}", s.base, "{host}", s.host, "{param}", param).Replace(hint)
}
