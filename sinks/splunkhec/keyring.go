package splunkhec

import (
	"fmt"
	"strings"

	"auditlog-connector/internal/secret"
)

// keyring holds a token, and reads it again after it was refused.
type keyring struct {
	name   string // in the configuration
	secret secret.String
	text   string // empty: to be read
}

// get returns the token. An error says where it should have come from.
func (k *keyring) get() (string, error) {
	if k.text != "" {
		return k.text, nil
	}
	text, err := k.secret.Reveal()
	if err != nil {
		return "", fmt.Errorf("%s: %w", k.name, err)
	}
	text = strings.TrimSpace(text)
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%s: %s does not hold a token and nothing else", k.name, k.secret.Source())
	}
	k.text = text
	return text, nil
}

// refuse notes that the server does not take the token, and reports whether there
// is another one by now.
func (k *keyring) refuse() (replaced bool) {
	old := k.text
	k.text = ""
	text, err := k.get()
	if err != nil || text == old {
		k.text = ""
		return false
	}
	return true
}
