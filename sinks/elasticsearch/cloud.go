package elasticsearch

import (
	"encoding/base64"
	"errors"
	"strings"
)

// cloudURL returns the address that a cloud id holds: NAME:BASE64, where the second
// is HOST[:PORT]$ELASTICSEARCH[:PORT]$KIBANA.
func cloudURL(id string) (string, error) {
	_, encoded, ok := strings.Cut(id, ":")
	if !ok {
		encoded = id
	}
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", errors.New("is not a cloud id: what follows the colon is not base64")
	}
	parts := strings.Split(string(text), "$")
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return "", errors.New("is not a cloud id: it names no deployment")
	}
	host, port, _ := strings.Cut(parts[0], ":")
	name, own, ok := strings.Cut(parts[1], ":")
	if ok {
		port = own
	}
	if port == "" {
		port = "443"
	}
	for _, s := range []string{host, name, port} {
		if strings.ContainsFunc(s, func(r rune) bool {
			return r != '.' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) {
			return "", errors.New("is not a cloud id: it has characters that no host has")
		}
	}
	return "https://" + name + "." + host + ":" + port, nil
}
