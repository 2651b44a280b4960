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
	BaseURL           string        `yaml:"base_url"`            // where the API is, version included
	Organization      string        `yaml:"organization"`        // sent as a header; optional
	Tenant            Tenant        `yaml:"tenant"`              // also read the tenant-scoped stream
	RequestsPerSecond float64       `yaml:"requests_per_second"` // shared by all that reads
	Concurrency       int           `yaml:"concurrency"`         // spans read ahead while catching up
	IgnoreIDs         []string      `yaml:"ignore_ids"`          // entries that break the API's own rules, set aside
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
	maxRate        = 1e6
)

func defaults() Config {
	return Config{BaseURL: "https://api.openai.com/v1", Tenant: TenantAuto, RequestsPerSecond: 5, Concurrency: 4}
}

func validate(c *Config) []error {
	var errs []error
	if c.AdminKey.IsZero() {
		errs = append(errs, strictyaml.Field("admin_key", "is missing").WithHint("write ${file:PATH} or ${env:OPENAI_ADMIN_KEY}; the key starts with sk-admin-"))
	}
	errs = append(errs, validateURL(c.BaseURL)...)
	if strings.ContainsFunc(c.Organization, func(r rune) bool { return r <= ' ' || r > '~' }) {
		errs = append(errs, strictyaml.Field("organization", "%q cannot be sent as a header", c.Organization))
	}
	if !(c.RequestsPerSecond > 0 && c.RequestsPerSecond <= maxRate) {
		errs = append(errs, strictyaml.Field("requests_per_second", "%v: want more than 0 and at most %.0f", c.RequestsPerSecond, maxRate))
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

func validateURL(text string) []error {
	u, err := url.Parse(text)
	if err != nil {
		// url.Error repeats the address, which could hold a password.
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return []error{strictyaml.Field("base_url", "is not an address: %v", err)}
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return []error{strictyaml.Field("base_url", "%q: want https://HOST/v1", u.Redacted())}
	case u.User != nil:
		return []error{strictyaml.Field("base_url", "must not contain a user or password").WithHint("the key belongs in admin_key")}
	case u.RawQuery != "" || u.Fragment != "":
		return []error{strictyaml.Field("base_url", "must not contain a query or fragment")}
	case u.Scheme == "http" && !isLocal(u.Hostname()):
		fe := strictyaml.Field("base_url", "sends the admin key to %s unencrypted", u.Host).WithHint("use https")
		fe.Warning = true
		return []error{fe}
	}
	return nil
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
