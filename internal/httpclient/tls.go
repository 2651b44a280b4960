package httpclient

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS is the block "tls" of a configuration. The zero value trusts the system's
// authorities and speaks TLS 1.2 or later.
type TLS struct {
	CAFile             string `yaml:"ca_file"`              // PEM; trusted instead of the system's authorities
	CertFile           string `yaml:"cert_file"`            // PEM; the client's certificate, with key_file
	KeyFile            string `yaml:"key_file"`             // PEM; its key
	ServerName         string `yaml:"server_name"`          // expected in the server's certificate, instead of the host
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"` // accepts any certificate: for trying only
	MinVersion         string `yaml:"min_version"`          // 1.2 or 1.3; empty: 1.2
}

// Validate returns everything that is wrong with t, without reading files.
func (t TLS) Validate() []error {
	var errs []error
	if (t.CertFile == "") != (t.KeyFile == "") {
		errs = append(errs, errors.New("tls: cert_file and key_file belong together"))
	}
	if _, err := t.minVersion(); err != nil {
		errs = append(errs, err)
	}
	if t.InsecureSkipVerify && (t.CAFile != "" || t.ServerName != "") {
		errs = append(errs, errors.New("tls: insecure_skip_verify makes ca_file and server_name pointless"))
	}
	return errs
}

func (t TLS) minVersion() (uint16, error) {
	switch t.MinVersion {
	case "", "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("tls: min_version %q: want 1.2 or 1.3", t.MinVersion)
}

// Config returns what t says, reading its files. A client certificate is read
// again for each connection, so that it can be renewed without a restart.
func (t TLS) Config() (*tls.Config, error) {
	if errs := t.Validate(); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	min, err := t.minVersion()
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: min, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls: read ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls: ca_file %s has no certificate (want PEM)", t.CAFile)
		}
	}
	if t.CertFile != "" {
		load := func() (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("tls: read cert_file %s and key_file %s: %w", t.CertFile, t.KeyFile, err)
			}
			return &cert, nil
		}
		if _, err := load(); err != nil {
			return nil, err
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	}
	return c, nil
}
