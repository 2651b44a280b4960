package openai

import (
	"strings"
	"testing"

	"auditlog-connector/internal/secret"
)

func TestConfigIsValidated(t *testing.T) {
	good := defaults()
	good.AdminKey = secret.Literal(testKey)
	if errs := validate(&good); len(errs) > 0 {
		t.Errorf("the defaults: %v", errs)
	}
	for want, change := range map[string]func(*Config){
		"admin_key":           func(c *Config) { c.AdminKey = secret.String{} },
		"base_url":            func(c *Config) { c.BaseURL = "api.openai.com" },
		"base_url: must not":  func(c *Config) { c.BaseURL = "https://user:hunter2@host/v1" },
		"base_url: is not":    func(c *Config) { c.BaseURL = "https://user:hunter2@ho st/v1" },
		"a query":             func(c *Config) { c.BaseURL = "https://host/v1?x=1" },
		"unencrypted":         func(c *Config) { c.BaseURL = "http://host/v1" },
		"organization":        func(c *Config) { c.Organization = "org\n1" },
		"requests_per_second": func(c *Config) { c.RequestsPerSecond = 0 },
		"concurrency":         func(c *Config) { c.Concurrency = 1000 },
		"ignore_ids[1]":       func(c *Config) { c.IgnoreIDs = []string{"a", ""} },
	} {
		c := good
		change(&c)
		if errs := validate(&c); len(errs) != 1 || !strings.Contains(errs[0].Error(), want) || strings.Contains(errs[0].Error(), "hunter2") {
			t.Errorf("%s: %v", want, errs)
		}
	}
	for text, want := range map[string]Tenant{"auto": TenantAuto, "on": TenantOn, "true": TenantOn, "off": TenantOff, "false": TenantOff, "maybe": ""} {
		var got Tenant
		if err := got.UnmarshalScalar(text); got != want || (err != nil) != (want == "") {
			t.Errorf("tenant %s: %q %v", text, got, err)
		}
	}
}
