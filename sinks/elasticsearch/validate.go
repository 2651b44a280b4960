package elasticsearch

import (
	"fmt"
	"strings"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/schemas/document"
)

// address is what a node's may be.
var address = httpclient.Address{Credentials: "they belong in username and password", Added: "/_", Sent: "events and credentials"}

func validate(c *Config) (errs []error) {
	add := func(path, hint, format string, args ...any) {
		errs = append(errs, strictyaml.Field(path, format, args...).WithHint(hint))
	}
	switch {
	case len(c.URLs) == 0 && c.CloudID == "":
		add("urls", "the nodes, https://HOST:9200; or cloud_id", "is missing")
	case len(c.URLs) > 0 && c.CloudID != "":
		add("cloud_id", "write one of them", "is set beside urls")
	case c.CloudID != "":
		if _, err := cloudURL(c.CloudID); err != nil {
			add("cloud_id", "copy it from the deployment's page", "%v", err)
		}
	}
	for i, u := range c.URLs {
		errs = append(errs, address.Validate(strictyaml.Index("urls", i), u)...)
	}
	errs = append(errs, validateTarget(c)...)
	errs = append(errs, validateLogin(c)...)
	switch {
	case document.Lookup(c.Schema) == nil:
		add("schema", document.Names(), "unknown schema %q", c.Schema)
	case c.DataStream != "" && c.Schema != "ecs":
		add("schema", "write index instead of data_stream, or schema: ecs", "a data stream needs @timestamp, which %s does not have", c.Schema)
	}
	return append(errs, c.TLS.ValidateField("tls")...)
}

func validateTarget(c *Config) (errs []error) {
	field := "index"
	if c.DataStream != "" {
		field = "data_stream"
		if c.Index != "" {
			errs = append(errs, strictyaml.Field("data_stream", "is set beside index").WithHint("write one of them"))
		}
	}
	if _, err := parseTarget(c.place()); err != nil {
		return append(errs, strictyaml.Field(field, "%v", err).WithHint("the default is index: "+defaultIndex))
	}
	if _, _, ok := conventional(c.DataStream); c.DataStream != "" && !ok {
		e := strictyaml.Field(field, "%q is not named as Elastic's programs name streams", c.DataStream).WithHint("logs-openai.audit-NAMESPACE, no other hyphens")
		e.Warning = true
		errs = append(errs, e)
	}
	return errs
}

func validateLogin(c *Config) (errs []error) {
	switch {
	case !c.APIKey.IsZero() && (c.Username != "" || !c.Password.IsZero()):
		errs = append(errs, strictyaml.Field("api_key", "is set beside username or password").WithHint("write one of them"))
	case c.Username == "" && !c.Password.IsZero():
		errs = append(errs, strictyaml.Field("username", "is missing"))
	case c.Username != "" && c.Password.IsZero():
		errs = append(errs, strictyaml.Field("password", "is missing").WithHint("${file:PATH} or ${env:NAME}"))
	}
	if strings.ContainsFunc(c.Username, func(r rune) bool { return r == ':' || r < ' ' || r == 0x7f }) {
		errs = append(errs, strictyaml.Field("username", "cannot be sent: it has a colon or control characters"))
	}
	return errs
}

// addresses returns the nodes, in the order of preference.
func (c *Config) addresses() ([]string, error) {
	if c.CloudID == "" {
		return c.URLs, nil
	}
	u, err := cloudURL(c.CloudID)
	if err != nil {
		return nil, fmt.Errorf("cloud_id: %w", err)
	}
	return []string{u}, nil
}
