package openai

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"auditlog-connector/internal/secret"
	"auditlog-connector/internal/strictyaml"
)

// Config is the block "config" of a source of type openai.
type Config struct {
	AdminKey          secret.String `yaml:"admin_key"`           // an admin key with the scope api.audit_logs.read
	KeyID             string        `yaml:"key_id"`              // its tracking id, to warn if it acts; optional
	BaseURL           string        `yaml:"base_url"`            // where the API is, version included
	Organization      string        `yaml:"organization"`        // its id, sent as a header; optional
	Tenant            Tenant        `yaml:"tenant"`              // auto, on or off: also read the tenant-scoped stream; auto from the moment the key may
	RequestsPerSecond float64       `yaml:"requests_per_second"` // shared by polls, sweeps and catch-ups; polls go first
	Concurrency       int           `yaml:"concurrency"`         // spans read ahead while catching up
	IgnoreIDs         []string      `yaml:"ignore_ids"`          // entries that break the API's own rules (no readable time), set aside in the quarantine
}

// Tenant says whether the tenant-scoped stream is read.
type Tenant string

// The values of tenant. TenantAuto reads the stream from the moment the key may.
const (
	TenantAuto Tenant = "auto"
	TenantOn   Tenant = "on"
	TenantOff  Tenant = "off"
)

// UnmarshalScalar reads auto, on or off; true and false mean on and off.
func (t *Tenant) UnmarshalScalar(text string) error {
	switch text {
	case "auto":
		*t = TenantAuto
	case "on", "true":
		*t = TenantOn
	case "off", "false":
		*t = TenantOff
	default:
		return fmt.Errorf("%q: want auto, on or off", text)
	}
	return nil
}

const (
	maxConcurrency = 64
	minRate        = 0.01 // one request in 100 s
	maxRate        = 1e6
	politeRate     = 100 // more than this over a network is a mistake, most likely
)

func defaults() Config {
	return Config{BaseURL: "https://api.openai.com/v1", Tenant: TenantAuto, RequestsPerSecond: 5, Concurrency: 4}
}

func validate(c *Config) []error {
	var errs []error
	if c.AdminKey.IsZero() {
		errs = append(errs, strictyaml.Field("admin_key", "is missing").WithHint("write ${file:PATH} or ${env:OPENAI_ADMIN_KEY}; the key starts with sk-admin-"))
	}
	if strings.HasPrefix(c.KeyID, "sk-") {
		errs = append(errs, strictyaml.Field("key_id", "this is a key, not its id").WithHint("write the id, which begins with key_, and make another key: this one stands in a file"))
	}
	base, urlErrs := validateURL(c.BaseURL)
	errs = append(errs, urlErrs...)
	switch {
	case strings.ContainsFunc(c.Organization, func(r rune) bool { return r <= ' ' || r > '~' }):
		errs = append(errs, strictyaml.Field("organization", "%q cannot be sent as a header", c.Organization).WithHint("write the id, which begins with org-"))
	case c.Organization != "" && !strings.HasPrefix(c.Organization, "org-"):
		errs = append(errs, warning("organization", "write the id, not the name", "%q does not begin with org-", c.Organization))
	}
	switch {
	case !(c.RequestsPerSecond >= minRate && c.RequestsPerSecond <= maxRate):
		errs = append(errs, strictyaml.Field("requests_per_second", "%v: want %v to %.0f", c.RequestsPerSecond, minRate, maxRate).WithHint("the default is 5"))
	case c.RequestsPerSecond > politeRate && base != nil && !isLocal(base.Hostname()):
		errs = append(errs, warning("requests_per_second", "the default is 5", "%v: the API is likely to refuse that many", c.RequestsPerSecond))
	}
	if c.Concurrency < 1 || c.Concurrency > maxConcurrency {
		errs = append(errs, strictyaml.Field("concurrency", "%d: want 1 to %d", c.Concurrency, maxConcurrency))
	}
	for i, id := range c.IgnoreIDs {
		if id == "" {
			errs = append(errs, strictyaml.Field(fmt.Sprintf("ignore_ids[%d]", i), "is empty"))
		}
	}
	return errs
}

// warning is about something that may be meant.
func warning(field, hint, format string, args ...any) error {
	fe := strictyaml.Field(field, format, args...).WithHint(hint)
	fe.Warning = true
	return fe
}

// validateURL returns the address, if it is one, and what is wrong with it.
func validateURL(text string) (*url.URL, []error) {
	const field, hint = "base_url", "write https://HOST/v1"
	u, err := url.Parse(text)
	switch {
	case err == nil && u.User != nil, strings.Contains(text, "@"):
		// Whatever else is wrong with it: what is quoted could be a password.
		return nil, []error{strictyaml.Field(field, "must not contain a user or password").WithHint("the key belongs in admin_key")}
	case !strings.Contains(text, "://"):
		return nil, []error{strictyaml.Field(field, "%q has no scheme", text).WithHint(hint)}
	case err != nil:
		// url.Error repeats the address.
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, []error{strictyaml.Field(field, "is not an address: %v", err).WithHint(hint)}
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, []error{strictyaml.Field(field, "%q has the scheme %s", text, u.Scheme).WithHint(hint)}
	case u.Host == "":
		return nil, []error{strictyaml.Field(field, "%q has no host", text).WithHint(hint)}
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, []error{strictyaml.Field(field, "must not contain a query or fragment").WithHint(hint)}
	case strings.HasSuffix(strings.TrimRight(u.Path, "/"), pathAuditLogs):
		return nil, []error{strictyaml.Field(field, "%q is where the audit log is", text).WithHint("leave out " + pathAuditLogs)}
	}
	var errs []error
	if u.Scheme == "http" && !isLocal(u.Hostname()) {
		errs = append(errs, warning(field, "use https", "sends the admin key to %s unencrypted", u.Host))
	}
	if isOpenAI(u.Hostname()) && strings.TrimRight(u.Path, "/") != "/v1" {
		errs = append(errs, warning(field, "write https://"+u.Host+"/v1", "%q does not end in /v1", text))
	}
	return u, errs
}

func isOpenAI(host string) bool {
	return host == "api.openai.com" || strings.HasSuffix(host, ".api.openai.com")
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
