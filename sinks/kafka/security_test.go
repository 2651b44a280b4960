package kafka

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/internal/secret"
	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
)

func tlsOf(k *testserver.Kafka) *httpclient.TLS { return &httpclient.TLS{CAFile: k.Certs.CA} }

func as(user, mechanism string) SASL {
	return SASL{Mechanism: mechanism, Username: user, Password: secret.Literal(testserver.KafkaPassword(user))}
}

func claimed(t *testing.T, c *Config, lane string) error {
	t.Helper()
	s := open(t, c, lane, nil)
	defer s.Close()
	return s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "0a1b2c3d", Next: 1, Start: pipeline.Earliest}, false)
}

// TestSecurity logs in to a broker with TLS, passwords and ACLs in every way there
// is, and in the ways that fail: each failure says what it is and what to do.
func TestSecurity(t *testing.T) {
	testserver.Require(t)
	k := testserver.StartKafka(t, testserver.KafkaOptions{TLS: true, SASL: true})
	k.Topic("audit", 2)
	k.Topic("audit-connector", 1, "cleanup.policy=compact")
	config := func(change func(c *Config)) *Config {
		c := testConfig(k.Brokers, "audit")
		c.CreateTopics, c.TLS, c.SASL = false, tlsOf(k), as("admin", "scram-sha-512")
		if change != nil {
			change(c)
		}
		return c
	}
	for _, m := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		t.Run("log in with "+m, func(t *testing.T) {
			if err := claimed(t, config(func(c *Config) { c.SASL = as("admin", m) }), "acme/"+m); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("a client certificate", func(t *testing.T) {
		if err := claimed(t, config(func(c *Config) { c.TLS.CertFile, c.TLS.KeyFile = k.Certs.Cert, k.Certs.Key }), "acme/cert"); err != nil {
			t.Error(err)
		}
	})
	other := filepath.Join(t.TempDir(), "other.pem")
	if text, err := os.ReadFile(k.Certs.Cert); err != nil || os.WriteFile(other, text, 0o600) != nil {
		t.Fatal(err)
	}
	wrong := secret.Literal("not-the-password")
	for name, c := range map[string]struct {
		change func(c *Config)
		want   []string
		kind   error // nil: permanent is enough; errDown: it may pass
	}{
		"wrong password":       {func(c *Config) { c.SASL.Password = wrong }, []string{"SASL_AUTHENTICATION_FAILED", "sasl.password"}, pipeline.ErrRefused},
		"wrong plain":          {func(c *Config) { c.SASL = as("admin", "plain"); c.SASL.Password = wrong }, []string{"SASL_AUTHENTICATION_FAILED", "sasl.password"}, pipeline.ErrRefused},
		"unknown authority":    {func(c *Config) { c.TLS.CAFile = other }, []string{"tls.ca_file", "unknown authority"}, nil},
		"wrong name":           {func(c *Config) { c.TLS.ServerName = "kafka.example.com" }, []string{"tls.server_name"}, nil},
		"no login":             {func(c *Config) { c.SASL = SASL{} }, []string{"does it want a login (sasl)?"}, errDown},
		"no tls":               {func(c *Config) { c.TLS = nil }, []string{"TLS"}, errDown},
		"no right to anything": {func(c *Config) { c.SASL = as("alice", "scram-sha-512") }, []string{"TOPIC_AUTHORIZATION_FAILED", "--topic audit", "User:alice"}, pipeline.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			refusedWith(t, claimed(t, config(c.change), "acme/wrong"), c.kind, c.want...)
		})
	}
	t.Run("rights one by one", func(t *testing.T) { rights(t, k, config(func(c *Config) { c.SASL = as("alice", "plain") })) })
}

var errDown = errors.New("it may pass")

func refusedWith(t *testing.T, err, kind error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if kind == errDown && pipeline.IsPermanent(err) || kind != errDown && !pipeline.IsPermanent(err) || kind != nil && kind != errDown && !errors.Is(err, kind) {
		t.Errorf("wrong kind of error: %v", err)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in: %v", w, err)
		}
	}
	if strings.Contains(err.Error(), "not-the-password") || strings.Contains(err.Error(), testserver.KafkaPassword("alice")) {
		t.Errorf("a secret is in: %v", err)
	}
}

// rights gives alice what the errors say, one after the other, until the lane runs
// and "check" finds nothing.
func rights(t *testing.T, k *testserver.Kafka, c *Config) {
	const lane = "acme/stream"
	for _, step := range []struct{ want, finding string }{
		{"--operation Describe --operation DescribeConfigs --topic audit", "topic"},
		{"--topic audit-connector", "marker topic"},
		{"--transactional-id connector.acme.stream", "transaction"},
	} {
		err := claimed(t, c, lane)
		refusedWith(t, err, pipeline.ErrRefused, step.want, "User:alice")
		_, command, ok := strings.Cut(err.Error(), "kafka-acls --bootstrap-server "+net.JoinHostPort("127.0.0.1", portOf(c))+" ")
		if !ok {
			t.Fatalf("no command in %v", err)
		}
		if s := open(t, c, lane, nil); findingOf(s.Check(t.Context()), step.finding).Status == "ok" {
			t.Errorf("check does not see what is missing for %q", step.finding)
		}
		if out, err := k.Tool("acls", strings.Fields(command)...); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	s := open(t, c, lane, nil)
	defer s.Close()
	for _, f := range s.Check(t.Context()) {
		if f.Status == "fail" {
			t.Errorf("check: %+v", f)
		}
	}
	if err := claimed(t, c, lane); err != nil {
		t.Error(err)
	}
}

func portOf(c *Config) string { _, port, _ := net.SplitHostPort(c.Brokers[0]); return port }

func findingOf(all []pipeline.Finding, name string) pipeline.Finding {
	for _, f := range all {
		if f.Name == name {
			return f
		}
	}
	return pipeline.Finding{Status: "missing"}
}
