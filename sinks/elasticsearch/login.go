package elasticsearch

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
)

// login holds what authenticates, and reads it again after it was refused. It may be
// used concurrently.
type login struct {
	config *Config

	mu     sync.Mutex
	header string // empty: to be read, or there is none
}

// secret returns the secret's name in the configuration, and where it is from.
func (l *login) secret() (name, source string) {
	switch {
	case !l.config.APIKey.IsZero():
		return "api_key", l.config.APIKey.Source()
	case l.config.Username != "":
		return "password", l.config.Password.Source()
	}
	return "", ""
}

// get returns the value of the Authorization header; empty: none. An error says
// where the secret should have come from.
func (l *login) get() (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.read()
}

// read is get for who holds mu.
func (l *login) read() (string, error) {
	name, source := l.secret()
	if name == "" || l.header != "" {
		return l.header, nil
	}
	if name == "password" {
		password, err := l.config.Password.Reveal()
		if err != nil {
			return "", fmt.Errorf("password: %w", err)
		}
		l.header = "Basic " + base64.StdEncoding.EncodeToString([]byte(l.config.Username+":"+password))
		return l.header, nil
	}
	key, err := l.config.APIKey.Reveal()
	if err != nil {
		return "", fmt.Errorf("api_key: %w", err)
	}
	key = strings.TrimSpace(key)
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("api_key: %s does not hold a key and nothing else", source)
	}
	if strings.Contains(key, ":") {
		return "", fmt.Errorf("api_key: %s holds id:key; want the encoded form, base64 of that", source)
	}
	l.header = "ApiKey " + key
	return l.header, nil
}

// refuse notes that the server does not take used, and reports whether there is
// another secret by now.
func (l *login) refuse(used string) (replaced bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.header != "" && l.header != used {
		return true // another request has found out
	}
	l.header = ""
	text, err := l.read()
	if err != nil || text == used {
		l.header = ""
		return false
	}
	return true
}
