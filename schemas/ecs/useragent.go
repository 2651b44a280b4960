package ecs

import "strings"

// userAgent is what a User-Agent header says of the client, as far as it follows
// custom. Fields are empty where it does not.
type userAgent struct {
	name, version             string
	osType, osName, osVersion string
	device                    string
}

// longestUserAgent is how long a header may be to be looked into.
const longestUserAgent = 512

// browsers are the tokens by which browsers are told apart. Most name their
// ancestors too, so the first hit counts.
var browsers = []struct{ token, name string }{
	{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"}, {"OPR/", "Opera"},
	{"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"}, {"CriOS/", "Chrome"},
	{"HeadlessChrome/", "Headless Chrome"}, {"Chrome/", "Chrome"},
}

// systems are the tokens that name an operating system, with the version after
// them. Android calls itself Linux too, and an iPhone like Mac OS X.
var systems = []struct{ token, kind, name, device string }{
	{"Windows NT ", "windows", "Windows", ""}, {"iPhone OS ", "ios", "iOS", "iPhone"}, {"iPad; CPU OS ", "ios", "iOS", "iPad"},
	{"Android ", "android", "Android", ""}, {"Mac OS X ", "macos", "macOS", ""},
}

// parseUserAgent reads a header: of a browser, or of a program that begins with its
// name and its version.
func parseUserAgent(s string) userAgent {
	if s == "" || len(s) > longestUserAgent {
		return userAgent{}
	}
	var ua userAgent
	for _, os := range systems {
		if v, ok := after(s, os.token); ok {
			ua.osType, ua.osName, ua.device = os.kind, os.name, os.device
			ua.osVersion = strings.ReplaceAll(v, "_", ".")
			break
		}
	}
	if ua.osType == "" && strings.Contains(s, "Linux") {
		ua.osType, ua.osName = "linux", "Linux"
	}
	if !strings.HasPrefix(s, "Mozilla/") {
		ua.name, ua.version = product(s)
		return ua
	}
	if _, rest, ok := strings.Cut(s, "compatible; "); ok { // a robot names itself in the comment
		ua.name, ua.version = product(rest)
		return ua
	}
	for _, b := range browsers {
		if v, ok := after(s, b.token); ok {
			ua.name, ua.version = b.name, v
			return ua
		}
	}
	if v, ok := after(s, "Version/"); ok && strings.Contains(s, "Safari/") {
		ua.name, ua.version = "Safari", v
	}
	return ua
}

// product reads NAME/VERSION at the beginning, or NAME/PART VERSION.
func product(s string) (name, version string) {
	first := s[:end(s)]
	name, version, ok := strings.Cut(first, "/")
	if !ok || version == "" || isDigit(version[0]) {
		return name, version
	}
	if rest, ok := strings.CutPrefix(s[len(first):], " "); ok && rest != "" && isDigit(rest[0]) {
		return first, rest[:end(rest)]
	}
	return first, ""
}

// after returns the version that follows token.
func after(s, token string) (string, bool) {
	_, rest, ok := strings.Cut(s, token)
	return rest[:end(rest)], ok
}

// end returns where a name or a version ends.
func end(s string) int {
	if i := strings.IndexAny(s, " ;,()"); i >= 0 {
		return i
	}
	return len(s)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
