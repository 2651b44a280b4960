package httpclient

import (
	"errors"
	"net"
	"net/url"
	"strings"

	"auditlog-connector/internal/strictyaml"
)

// Address is what a configuration's address of a server may be.
type Address struct {
	Credentials string // hint: where those that somebody writes into the address belong
	Added       string // what is added to the address, and does not belong in it: "/services"; empty: anything may
	Sent        string // what would cross the network in the clear: "events and the token"
}

// Validate returns what is wrong with text, the value of field, as
// [strictyaml.FieldError]s; a warning if it is plain HTTP to another host. It never
// quotes what could be a password.
func (a Address) Validate(field, text string) []error {
	const hint = "write https://HOST:PORT"
	u, err := url.Parse(text)
	switch {
	case err == nil && u.User != nil, strings.Contains(text, "@"):
		return []error{strictyaml.Field(field, "must not contain a user or password").WithHint(a.Credentials)}
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
	case a.Added != "" && strings.Contains(u.Path, a.Added):
		return []error{strictyaml.Field(field, "%q goes too far", text).WithHint("leave out " + a.Added + " and what follows it")}
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		e := strictyaml.Field(field, "%s cross the network in the clear", a.Sent).WithHint("https")
		e.Warning = true
		return []error{e}
	}
	return nil
}

// ValidateField is [TLS.Validate] with errors that are [strictyaml.FieldError]s of
// field.
func (t TLS) ValidateField(field string) (errs []error) {
	for _, err := range t.Validate() {
		errs = append(errs, strictyaml.FieldError{Path: field, Err: err})
	}
	return errs
}
