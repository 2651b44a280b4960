package httpclient

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMessage is how much of a server's words is shown, in bytes.
const maxMessage = 300

// Short puts s on one line, without control characters, and cuts it.
func Short(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), 64*maxMessage)], "\uFFFD")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if len(s) <= maxMessage {
		return s
	}
	cut := maxMessage
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

var (
	htmlTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

	// Credentials of the services that are spoken to, whole or masked in the middle.
	knownKeys = regexp.MustCompile(`\bsk-[A-Za-z0-9_*.…-]{10,}|(?i)\b(bearer|splunk|apikey|basic)\s+[A-Za-z0-9._~+/=*-]{16,}`)
)

// message looks for the words in a body: JSON in the shapes that servers use, a
// page's title, or the text itself.
func message(body []byte) string {
	text := bytes.TrimSpace(body)
	if len(text) == 0 {
		return ""
	}
	if text[0] == '<' {
		title := ""
		if m := htmlTitle.FindSubmatch(text[:min(len(text), 64<<10)]); m != nil {
			title = ": " + string(m[1])
		}
		return "a page of HTML" + title
	}
	var value any
	if json.Unmarshal(text, &value) == nil {
		if s := words(value, 0); s != "" {
			return s
		}
	}
	return string(text)
}

// words finds the message in a decoded error.
func words(v any, depth int) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		if depth > 3 {
			return ""
		}
		for _, key := range []string{"error", "message", "reason", "text", "detail", "error_description"} {
			inner, ok := v[key]
			if !ok {
				continue
			}
			if s := words(inner, depth+1); s != "" {
				if code, ok := v["code"].(string); ok && code != "" && depth > 0 {
					s += " (" + code + ")"
				}
				return s
			}
		}
	case []any:
		if len(v) > 0 && depth <= 3 {
			return words(v[0], depth+1)
		}
	}
	return ""
}

// Redact replaces secrets in s, and whatever else looks like a key. Secrets of
// fewer than four bytes are not looked for: they would match anything.
func Redact(s string, secrets ...string) string {
	const redacted = "[redacted]"
	secrets = slices.Clone(secrets)
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // one may contain another
	for _, secret := range secrets {
		if len(secret) < 4 {
			continue
		}
		quoted, _ := json.Marshal(secret)
		for _, form := range []string{secret, string(quoted[1 : len(quoted)-1]), url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret))} {
			s = strings.ReplaceAll(s, form, redacted)
		}
	}
	return knownKeys.ReplaceAllString(s, redacted)
}

// credentials returns what is secret in a request: values of headers that
// authenticate, their parts, and the password in the address.
func credentials(req *http.Request) []string {
	var secrets []string
	for _, name := range []string{"Authorization", "Proxy-Authorization", "X-Api-Key", "Cookie"} {
		for _, value := range req.Header.Values(name) {
			secrets = append(secrets, value)
			if scheme, token, ok := strings.Cut(value, " "); ok {
				secrets = append(secrets, token)
				if strings.EqualFold(scheme, "basic") {
					if pair, err := base64.StdEncoding.DecodeString(token); err == nil {
						_, password, _ := strings.Cut(string(pair), ":")
						secrets = append(secrets, string(pair), password)
					}
				}
			}
		}
	}
	if req.URL.User != nil {
		if password, ok := req.URL.User.Password(); ok {
			secrets = append(secrets, password)
		}
	}
	return secrets
}
