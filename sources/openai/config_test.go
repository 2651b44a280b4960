package openai

import (
	"errors"
	"math"
	"strings"
	"testing"

	"auditlog-connector/internal/secret"
	"auditlog-connector/internal/strictyaml"
)

func TestConfigIsValidated(t *testing.T) {
	good := defaults()
	good.AdminKey = secret.Literal(testKey)
	if errs := validate(&good); len(errs) > 0 {
		t.Errorf("the defaults: %v", errs)
	}
	for want, change := range map[string]func(*Config){
		"admin_key": func(c *Config) { c.AdminKey = secret.String{} },
		`base_url: "api.openai.com/v1" has no scheme (write https://HOST/v1)`: func(c *Config) { c.BaseURL = "api.openai.com/v1" },
		`"api.openai.com:443/v1" has no scheme`:                               func(c *Config) { c.BaseURL = "api.openai.com:443/v1" },
		`"" has no scheme`:                                                    func(c *Config) { c.BaseURL = "" },
		`has the scheme ftp`:                                                  func(c *Config) { c.BaseURL = "ftp://host/v1" },
		`"https:///v1" has no host`:                                           func(c *Config) { c.BaseURL = "https:///v1" },
		"leave out /organization/audit_logs":                                  func(c *Config) { c.BaseURL = "https://host/v1/organization/audit_logs/" },
		`does not end in /v1 (write https://eu.api.openai.com/v1)`:            func(c *Config) { c.BaseURL = "https://eu.api.openai.com" },
		"base_url: is not an address: invalid port":                           func(c *Config) { c.BaseURL = "https://host:x/v1" },
		"must not contain a user or password":                                 func(c *Config) { c.BaseURL = "user:hunter2@host/v1" },
		"base_url: must not":                                                  func(c *Config) { c.BaseURL = "https://user:hunter2@host/v1" },
		"user or password":                                                    func(c *Config) { c.BaseURL = "https://user:hunter2@ho st/v1" },
		"a query":                                                             func(c *Config) { c.BaseURL = "https://host/v1?x=1" },
		"query or":                                                            func(c *Config) { c.BaseURL = "https://host/v1?" },
		"unencrypted":                                                         func(c *Config) { c.BaseURL = "http://host/v1" },
		"as a header":                                                         func(c *Config) { c.Organization = "org\n1" },
		"begin with org-":                                                     func(c *Config) { c.Organization = "acme" },
		"0: want 0.01":                                                        func(c *Config) { c.RequestsPerSecond = 0 },
		"-1: want":                                                            func(c *Config) { c.RequestsPerSecond = -1 },
		"NaN: want":                                                           func(c *Config) { c.RequestsPerSecond = math.NaN() },
		"+Inf: want":                                                          func(c *Config) { c.RequestsPerSecond = math.Inf(1) },
		"1e-09: want":                                                         func(c *Config) { c.RequestsPerSecond = 1e-9 },
		"5000: the API is":                                                    func(c *Config) { c.RequestsPerSecond = 5000 },
		"concurrency":                                                         func(c *Config) { c.Concurrency = 1000 },
		"ignore_ids[1]":                                                       func(c *Config) { c.IgnoreIDs = []string{"a", ""} },
	} {
		c := good
		change(&c)
		errs := validate(&c)
		if len(errs) != 1 {
			t.Errorf("%s: %v", want, errs)
			continue
		}
		got := errs[0].Error()
		var fe strictyaml.FieldError
		if errors.As(errs[0], &fe) && fe.Hint != "" {
			got += " (" + fe.Hint + ")"
		}
		if !strings.Contains(got, want) || strings.Contains(got, "hunter2") {
			t.Errorf("%s, want %q in it", got, want)
		}
	}
	for _, fine := range []string{"https://host/", "https://host/v1/", "http://127.0.0.1:8080/v1", "https://eu.api.openai.com/v1/"} {
		c := good
		c.BaseURL = fine
		if errs := validate(&c); len(errs) > 0 {
			t.Errorf("%s: %v", fine, errs)
		}
	}
	local := good
	if local.BaseURL, local.RequestsPerSecond = "http://localhost:1/v1", 5000; len(validate(&local)) > 0 {
		t.Errorf("5000 a second to this host: %v", validate(&local))
	}
	for text, want := range map[string]Tenant{"auto": TenantAuto, "on": TenantOn, "true": TenantOn, "off": TenantOff, "false": TenantOff, "maybe": ""} {
		var got Tenant
		if err := got.UnmarshalScalar(text); got != want || (err != nil) != (want == "") {
			t.Errorf("tenant %s: %q %v", text, got, err)
		}
	}
}
