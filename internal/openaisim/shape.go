package openaisim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"auditlog-connector/sources/openai/auditlog"
)

// shape is how an event's payload looks: literal text with places for values.
type shape struct {
	present  bool // there is a key named like the type
	project  bool // the event belongs to a project
	segments []segment
}

// segment is literal text followed by a value.
type segment struct {
	text  []byte
	value value
}

// value says what to put in a place. Places with one slot get one value: an id
// that occurs twice in a sample occurs twice in the event.
type value struct {
	kind valueKind
	slot int
	size int
	pool []string // JSON texts
}

type valueKind int

const (
	valueNone   valueKind = iota // the end of the shape
	valueBase62                  // size characters
	valueHex
	valueLower
	valueUUID
	valueUser    // the id of a person
	valueAccount // the id of a service account
	valueProject // the id of a project
	valueOrg
	valueEmail
	valuePool
	valuePEM
	valueNetwork
)

// maxSlots bounds the values of one shape.
const maxSlots = 16

// idTokens finds ids in a sample's texts; the first alternative that fits wins.
var idTokens = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}` +
	`|\b[0-9a-f]{32}\b` +
	`|(?:[a-z]+[-_])+[A-Za-z0-9]{12,}` +
	`|\b[A-Za-z0-9]{20}\b|\b[a-z0-9]{10,12}$`)

// pools are values for keys whose texts are not ids, by the first segment of the
// type and the key, or by the key alone.
var pools = map[string][]string{
	"certificate name":                {"mTLS root 2027", "mTLS staging", "mTLS partner", "mTLS 本番 root 2027"},
	"certificates name":               {"mTLS root 2027", "mTLS staging", "mTLS partner", "mTLS 本番 root 2027"},
	"ip_allowlist name":               {"Office", "VPN", "Büro + VPN", "Partner", "CI runners"},
	"workload_identity_provider name": {"github-actions", "gke-prod", "azure-devops", "buildkite"},
	"project name":                    {"support-bot", "search-infra", "billing-prod", "eval-sandbox", "research"},
	"project title":                   {"Support bot", "検索基盤 v2", "Billing (prod)", "Evaluation sandbox", "Forschung"},
	"rate_limit id":                   {"rl-gpt-5", "rl-gpt-5-mini", "rl-gpt-4o", "rl-gpt-4o-mini", "rl-whisper-1"},
	"group_name":                      {"Data", "Équipe données", "فريق البيانات", "Platform", "On-call", "Finance"},
	"role_name":                       {"Billing auditor", "Billing ✓ auditor", "Key manager", "Log reader"},
	"connector_name":                  {"Google Drive", "SharePoint", "GitHub", "Linear", "Box"},
	"description":                     {"Changed by “owner”, see ticket №42", "Σύντομη περιγραφή", "", "quarterly review"},
	"role":                            {"member", "owner"},
	"scopes":                          {"api.model.request", "api.model.read", "api.files.read", "api.fine_tuning.jobs.write", "api.audit_logs.read", "api.all"},
	"permissions":                     {"api.organization.usage.read", "api.audit_logs.read", "api.organization.write", "api.project.read"},
	"error_code":                      {"invalid_credentials", "mfa_failed", "account_locked", "session_not_found"},
	"error_message":                   {"The e-mail or password is incorrect.", "Second factor was not accepted.", "Too many attempts.", "Session already ended."},
}

// numbers are values for limits, the last beyond what a double can hold.
var numbers = []string{"60", "500", "3000", "10000", "150000", "2000000", "9007199254740993"}

// parseShape reads a sample: its type and the shape of its payload, with the names
// of the model.
func parseShape(text []byte) (string, *shape, error) {
	event, err := auditlog.Decode(text)
	if err != nil {
		return "", nil, err
	}
	s := &shape{project: event.Project != nil}
	details, ok := event.Details.(json.RawMessage)
	switch {
	case event.Details == nil:
		return event.Type, s, nil
	case !ok:
		if details, err = auditlog.Append(nil, event.Details); err != nil {
			return "", nil, err
		}
	}
	s.present = true
	p := shapeParser{shape: s, slots: map[string]int{}, dec: json.NewDecoder(bytes.NewReader(details))}
	p.area, _, _ = strings.Cut(event.Type, ".")
	p.dec.UseNumber()
	if err := p.value(""); err != nil {
		return "", nil, err
	}
	p.place(value{kind: valueNone})
	if len(p.slots) > maxSlots {
		return "", nil, fmt.Errorf("%d different values, at most %d are possible", len(p.slots), maxSlots)
	}
	return event.Type, s, nil
}

type shapeParser struct {
	shape *shape
	area  string
	dec   *json.Decoder
	text  []byte         // literal text since the last place
	slots map[string]int // what stood in a place of the sample to its slot
}

// place ends the literal text with a value.
func (p *shapeParser) place(v value) {
	p.shape.segments = append(p.shape.segments, segment{text: p.text, value: v})
	p.text = nil
}

func (p *shapeParser) slot(text string) int {
	n, ok := p.slots[text]
	if !ok {
		n = len(p.slots)
		p.slots[text] = n
	}
	return n
}

// value copies the next JSON value, which stands under key.
func (p *shapeParser) value(key string) error {
	tok, err := p.dec.Token()
	if err != nil {
		return err
	}
	switch t := tok.(type) {
	case json.Delim:
		p.text = append(p.text, byte(t))
		for n := 0; p.dec.More(); n++ {
			if n > 0 {
				p.text = append(p.text, ',')
			}
			name := key
			if t == '{' {
				k, err := p.dec.Token()
				if err != nil {
					return err
				}
				name = k.(string)
				p.text = append(quote(p.text, name), ':')
			}
			if err := p.value(name); err != nil {
				return err
			}
		}
		end, err := p.dec.Token()
		if err != nil {
			return err
		}
		p.text = append(p.text, byte(end.(json.Delim)))
	case string:
		p.string(key, t)
	case json.Number:
		if strings.HasPrefix(key, "max_") || strings.HasPrefix(key, "batch_") {
			p.place(value{kind: valuePool, slot: p.slot(key), pool: numbers})
			return nil
		}
		p.text = append(p.text, t...)
	case bool:
		p.text = strconv.AppendBool(p.text, t)
	case nil:
		p.text = append(p.text, "null"...)
	default:
		return errors.New("not JSON")
	}
	return nil
}

// string copies a text, with places for what should differ in every event.
func (p *shapeParser) string(key, s string) {
	switch {
	case key == "certificate":
		p.quoted(value{kind: valuePEM, slot: p.slot(s)})
		return
	case key == "email":
		p.quoted(value{kind: valueEmail, slot: p.slot(s)})
		return
	case key == "allowed_ips" && !strings.HasSuffix(s, "/0"):
		p.quoted(value{kind: valueNetwork, slot: p.slot(s)})
		return
	}
	pool, ok := pools[p.area+" "+key]
	if !ok {
		pool, ok = pools[key]
	}
	if ok && s != "" {
		quoted := make([]string, len(pool))
		for i, text := range pool {
			quoted[i] = string(quote(nil, text))
		}
		slot := key + s
		if strings.HasPrefix(key, "error_") {
			slot = "error_" // the message goes with the code
		}
		p.place(value{kind: valuePool, slot: p.slot(slot), pool: quoted})
		return
	}
	p.text = append(p.text, '"')
	for s != "" {
		at := idTokens.FindStringIndex(s)
		if at == nil {
			break
		}
		p.escaped(s[:at[0]])
		p.token(key, s[at[0]:at[1]])
		s = s[at[1]:]
	}
	p.escaped(s)
	p.text = append(p.text, '"')
}

func (p *shapeParser) quoted(v value) {
	p.text = append(p.text, '"')
	p.place(v)
	p.text = append(p.text, '"')
}

// escaped copies a part of a text.
func (p *shapeParser) escaped(s string) {
	q := quote(nil, s)
	p.text = append(p.text, q[1:len(q)-1]...)
}

// token copies an id: its prefix stays, what follows is a place.
func (p *shapeParser) token(key, id string) {
	if len(id) == 36 && id[8] == '-' {
		p.place(value{kind: valueUUID, slot: p.slot(id)})
		return
	}
	cut := strings.LastIndexAny(id, "-_") + 1
	prefix, rest := id[:cut], id[cut:]
	v := value{kind: valueBase62, slot: p.slot(id), size: len(rest)}
	switch {
	case prefix == "user-" && (p.area == "service_account" || key == "service_account_id"):
		v.kind, prefix = valueAccount, ""
	case prefix == "user-":
		v.kind, prefix = valueUser, ""
	case prefix == "proj_":
		v.kind, prefix = valueProject, ""
	case prefix == "org-":
		v.kind, prefix = valueOrg, ""
	case !strings.ContainsAny(rest, "0123456789") && strings.ToLower(rest) == rest:
		p.escaped(id) // words, not an id
		return
	case strings.Trim(rest, hexes) == "":
		v.kind = valueHex
	case strings.ToLower(rest) == rest:
		v.kind = valueLower
	}
	p.escaped(prefix)
	p.place(v)
}
