package splunkhec

import (
	"regexp"
	"strings"
	"time"

	"auditlog-connector/internal/httpclient"
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

// address is what a collector's or a search head's may be.
var address = httpclient.Address{Credentials: "the token belongs in token", Added: "/services", Sent: "events and the token"}

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
		errs = append(errs, address.Validate("url", c.URL)...)
	}
	for i, u := range c.URLs {
		errs = append(errs, address.Validate(strictyaml.Index("urls", i), u)...)
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
	return append(errs, c.TLS.ValidateField("tls")...)
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
		errs = append(errs, address.Validate("search.url", s.URL)...)
	}
	if s.Settle < time.Second {
		errs = append(errs, strictyaml.Field("search.settle", "%s is too short", s.Settle).WithHint("longer than events take to be found; the default is 5m"))
	}
	return errs
}
