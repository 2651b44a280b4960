package splunkhec

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/schemas/document"
)

// indexName is what Splunk lets an index be called.
var indexName = regexp.MustCompile(`^[a-z0-9_][a-z0-9_-]{0,79}$`)

// Bounds of what may be configured.
const (
	minContent = 64 << 10
	maxContent = 800 << 20
	cloudLimit = 5 << 20 // Splunk Cloud refuses more, and says that the data are bad
)

func validate(c *Config) (errs []error) {
	add := func(path, hint, format string, args ...any) {
		errs = append(errs, strictyaml.Field(path, format, args...).WithHint(hint))
	}
	warn := func(path, hint, format string, args ...any) {
		e := strictyaml.Field(path, format, args...).WithHint(hint)
		e.Warning = true
		errs = append(errs, e)
	}
	switch {
	case c.URL == "" && len(c.URLs) == 0:
		add("url", "the collector, https://HOST:8088", "is missing")
	case c.URL != "" && len(c.URLs) > 0:
		add("urls", "write one of them", "is set beside url")
	case c.URL != "":
		errs = append(errs, validateURL("url", c.URL)...)
	}
	for i, u := range c.URLs {
		errs = append(errs, validateURL(fmt.Sprintf("urls[%d]", i), u)...)
	}
	if c.Token.IsZero() {
		add("token", "the token's value: ${file:PATH} or ${env:NAME}", "is missing")
	}
	if c.Index != "" && !indexName.MatchString(c.Index) {
		add("index", "a-z, 0-9, _ and -", "%q is no name of an index", c.Index)
	}
	for path, text := range map[string]string{"sourcetype": c.Sourcetype, "source": c.Source, "host": c.Host} {
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			add(path, "", "has characters that cannot be searched for")
		}
	}
	if c.Sourcetype == "" {
		add("sourcetype", "the app goes by openai:audit", "is empty")
	}
	if document.Lookup(c.Schema) == nil {
		add("schema", document.Names(), "unknown schema %q", c.Schema)
	} else if c.Schema != "cim" {
		warn("schema", "the Splunk app needs cim", "the app does not know what %s looks like", c.Schema)
	}
	if c.AckTimeout < time.Second {
		add("ack_timeout", "the default is 10m", "%s is too short: small batches are acknowledged after minutes", c.AckTimeout)
	}
	switch n := int64(c.MaxContentLength); {
	case n < minContent || n > maxContent:
		add("max_content_length", "the default is 1MB", "%s: want 64KiB to 800MiB", c.MaxContentLength)
	case n > cloudLimit:
		warn("max_content_length", "Splunk Cloud: 1MB", "Splunk Cloud refuses requests above 5MiB; Splunk Enterprise does above max_content_length in limits.conf")
	}
	errs = append(errs, validateSearch(&c.Search)...)
	for _, err := range c.TLS.Validate() {
		errs = append(errs, strictyaml.FieldError{Path: "tls", Err: err})
	}
	return errs
}

func validateSearch(s *Search) (errs []error) {
	switch {
	case s.URL == "" && s.Token.IsZero():
		return nil
	case s.URL == "":
		errs = append(errs, strictyaml.Field("search.url", "is missing").WithHint("the search head's management port, https://HOST:8089"))
	case s.Token.IsZero():
		errs = append(errs, strictyaml.Field("search.token", "is missing").WithHint("an authentication token (Settings > Tokens), not the collector's"))
	}
	if s.URL != "" {
		errs = append(errs, validateURL("search.url", s.URL)...)
	}
	if s.Settle < time.Second {
		errs = append(errs, strictyaml.Field("search.settle", "%s is too short", s.Settle).WithHint("longer than events take to be found; the default is 5m"))
	}
	return errs
}

// validateURL says what is wrong with an address to which /services is added.
func validateURL(field, text string) (errs []error) {
	const hint = "write https://HOST:PORT"
	u, err := url.Parse(text)
	switch {
	case err == nil && u.User != nil, strings.Contains(text, "@"):
		// Whatever else is wrong with it: what is quoted could be a password.
		return []error{strictyaml.Field(field, "must not contain a user or password").WithHint("the token belongs in token")}
	case err != nil:
		var ue *url.Error // it repeats the address
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return []error{strictyaml.Field(field, "is not an address: %v", err).WithHint(hint)}
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return []error{strictyaml.Field(field, "%q is not an address", text).WithHint(hint)}
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return []error{strictyaml.Field(field, "must not contain a query or fragment").WithHint(hint)}
	case strings.Contains(u.Path, "/services"):
		return []error{strictyaml.Field(field, "%q goes too far", text).WithHint("leave out /services and what follows it")}
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		e := strictyaml.Field(field, "events and the token cross the network in the clear").WithHint("https")
		e.Warning = true
		errs = append(errs, e)
	}
	return errs
}
