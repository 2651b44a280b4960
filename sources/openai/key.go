package openai

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"auditlog-connector/internal/secret"
	"auditlog-connector/pipeline"
)

// keyring holds the admin key, and reads it again after it was refused.
type keyring struct {
	secret  secret.String
	gateway bool // the API is not asked itself: what goes before it may have keys of its own

	mu   sync.Mutex
	text string
}

// get returns the key, read again if it was refused. A key of the wrong kind is an
// error that wraps [pipeline.ErrRefused]; what else is wrong with it may pass.
func (k *keyring) get() (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.text == "" {
		text, err := k.read()
		if err != nil {
			return "", err
		}
		k.text = text
	}
	return k.text, nil
}

// refuse notes that the API does not take text. It reports whether there is another
// key by now.
func (k *keyring) refuse(text string) (replaced bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.text != "" && k.text != text {
		return true
	}
	k.text = ""
	now, err := k.read()
	if err != nil || now == text {
		return false // get says what is wrong with it
	}
	k.text = now
	return true
}

func (k *keyring) read() (string, error) {
	text, err := k.secret.Reveal()
	if err != nil {
		return "", fmt.Errorf("admin_key: %w", err)
	}
	text = strings.TrimSpace(strings.TrimPrefix(text, "\uFEFF"))
	for _, flaw := range flaws {
		if flaw.in(text) {
			err := fmt.Errorf("admin_key: %s %s", k.source(), flaw.what)
			return "", &explained{err: err, hint: "it has to be the key and nothing else"}
		}
	}
	for _, w := range wrongKinds {
		if strings.HasPrefix(text, w.prefix) && !isAdminKey(text) && !(k.gateway && w.likeOthers) {
			err := &wrongKind{fmt.Sprintf("admin_key: %s holds %s, which begins with %s; nothing was sent", k.source(), w.kind, w.prefix)}
			return "", &explained{err: pipeline.Permanent(err), hint: "the audit log needs an admin key, which begins with sk-admin-; " + makeKey + k.place()}
		}
	}
	return text, nil
}

// source says where the key comes from.
func (k *keyring) source() string {
	if k.secret.IsLiteral() {
		return "the configuration"
	}
	return k.secret.Source()
}

// place says where a new key goes, and how it comes into effect.
func (k *keyring) place() string {
	source := k.source()
	if strings.HasPrefix(source, "file ") {
		return source + ", which is read again by itself"
	}
	return source + " and restart the connector"
}

// flaws are the ways in which a text cannot be a key, the first that fits counts.
var flaws = []struct {
	in   func(text string) bool
	what string
}{
	{func(s string) bool { return s == "" }, "has only white space"},
	{func(s string) bool { return strings.ContainsRune(s, 0) || !utf8.ValidString(s) }, "is not UTF-8 text"},
	{func(s string) bool { return strings.ContainsAny(s, "\r\n") }, "has more than one line"},
	{func(s string) bool { return len(s) > 7 && strings.EqualFold(s[:7], "bearer ") }, "begins with Bearer"},
	{func(s string) bool { return strings.ContainsAny(s[:1], `"'`) }, "begins with a quotation mark"},
	{func(s string) bool { return strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) }, "has a blank or another character that no key has"},
}

// wrongKinds are the keys that the API refuses for the audit log, unless
// isAdminKey.
var wrongKinds = []struct {
	prefix, kind string
	likeOthers   bool // gateways issue keys that begin alike
}{
	{prefix: "sk-proj-", kind: "a project's key"},
	{prefix: "sk-svcacct-", kind: "a service account's key"},
	{prefix: "sk-", kind: "a user's key", likeOthers: true},
}

func isAdminKey(text string) bool { return strings.HasPrefix(text, "sk-admin") }

// wrongKind is a key that was refused before it was sent.
type wrongKind struct{ text string }

func (e *wrongKind) Error() string { return e.text }
func (e *wrongKind) Unwrap() error { return pipeline.ErrRefused }
