package openai

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// troubles is what a person can do if there was no answer. The first that fits
// counts; all of it may pass, so none decides the error's class.
var troubles = []struct {
	is   func(error) bool
	hint string
}{
	{during("proxyconnect"),
		"the proxy that HTTPS_PROXY names cannot be reached"},
	{says("Proxy Authentication Required"),
		"the proxy wants to know who asks: put user and password into HTTPS_PROXY"},
	{func(err error) bool { var e *net.DNSError; return errors.As(err, &e) && e.IsNotFound },
		"there is no host of that name here: is base_url {base_url} right, and does this host need a proxy (HTTPS_PROXY)?"},
	{as[*net.DNSError],
		"the name server does not answer: look at this host's DNS"},
	{is(syscall.ECONNREFUSED),
		"nothing listens there: is base_url {base_url} right, and does this host need a proxy (HTTPS_PROXY)?"},
	{is(syscall.EHOSTUNREACH, syscall.ENETUNREACH),
		"no way leads there from this host: look at its network, or set HTTPS_PROXY"},
	{as[x509.UnknownAuthorityError],
		"this host does not trust the certificate of {host}: if a proxy looks into TLS, add its authority to this host's, or name a file with it in SSL_CERT_FILE"},
	{as[x509.HostnameError],
		"the certificate is another host's: is base_url {base_url} right, or does a proxy answer in its place?"},
	{func(err error) bool {
		var e x509.CertificateInvalidError
		return errors.As(err, &e) && e.Reason == x509.Expired
	},
		"the certificate of {host} is not valid now: is this host's clock right?"},
	{func(err error) bool {
		return is(http.ErrSchemeMismatch)(err) || as[tls.RecordHeaderError](err)
	},
		"{host} does not speak TLS: is base_url {base_url} right?"},
	{func(err error) bool {
		return during("remote error")(err) || as[*tls.CertificateVerificationError](err)
	},
		"{host} and this host do not agree on TLS: does a proxy or firewall interfere?"},
	{func(err error) bool {
		var e net.Error
		return errors.As(err, &e) && e.Timeout()
	},
		"does a firewall drop what goes to {host}? The connector asks again by itself"},
	{is(syscall.ECONNRESET, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF),
		"the connection broke; the connector asks again by itself"},
}

func is(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
}

func as[E error](err error) bool { var e E; return errors.As(err, &e) }

// during finds what net calls the operation; an alert of TLS is a "remote error".
func during(op string) func(error) bool {
	return func(err error) bool { var e *net.OpError; return errors.As(err, &e) && e.Op == op }
}

func says(text string) func(error) bool {
	return func(err error) bool { return strings.Contains(err.Error(), text) }
}

// unanswered adds a hint to the error of a request that was not answered, unless
// ctx ended it.
func (s *Source) unanswered(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	for _, t := range troubles {
		if t.is(err) {
			return &explained{err: err, hint: s.fill(t.hint, "")}
		}
	}
	return err
}
