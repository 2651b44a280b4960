package httpclient

import (
	"errors"
	"strings"
	"testing"

	"auditlog-connector/internal/strictyaml"
)

func TestAddresses(t *testing.T) {
	a := Address{Credentials: "elsewhere", Added: "/api", Sent: "secrets"}
	for text, want := range map[string]string{
		"https://host:8088":          "",
		"https://host/prefix":        "",
		"http://127.0.0.1:1":         "",
		"http://[::1]:1":             "",
		"http://localhost":           "",
		"http://host":                "secrets cross the network in the clear",
		"http://10.0.0.1":            "secrets cross the network in the clear",
		"host:8088":                  "is not an address",
		"ftp://host":                 "is not an address",
		"https://":                   "is not an address",
		"https://ho st":              "is not an address",
		"https://host?x=1":           "must not contain a query",
		"https://host?":              "must not contain a query",
		"https://host#x":             "must not contain a query",
		"https://host/api/v1":        "goes too far",
		"https://user:hunter2@host":  "must not contain a user or password",
		"user:hunter2@host":          "must not contain a user or password",
		"https://user:hun%zter2@h":   "must not contain a user or password",
		"https://user:hunter2@h/api": "must not contain a user or password",
	} {
		errs := a.Validate("urls[1]", text)
		switch {
		case want == "" && len(errs) > 0:
			t.Errorf("%s: %v", text, errs)
		case want != "" && (len(errs) != 1 || !strings.Contains(errs[0].Error(), want)):
			t.Errorf("%s: %v, want %q", text, errs, want)
		}
		for _, err := range errs {
			var fe strictyaml.FieldError
			if !errors.As(err, &fe) || fe.Path != "urls[1]" || fe.Hint == "" || fe.Warning != strings.Contains(want, "in the clear") {
				t.Errorf("%s: %+v", text, err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: the password is shown: %v", text, err)
			}
		}
	}
}

func TestTLSErrorsNameTheirField(t *testing.T) {
	errs := TLS{CertFile: "a", MinVersion: "1.1"}.ValidateField("tls")
	if len(errs) != 2 {
		t.Fatalf("%v, want two errors", errs)
	}
	for _, err := range errs {
		if fe, ok := err.(strictyaml.FieldError); !ok || fe.Path != "tls" {
			t.Errorf("%+v", err)
		}
	}
}
