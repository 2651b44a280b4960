package elasticsearch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/secret"
	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
)

func as(user, password string) func(c *Config) {
	return func(c *Config) { c.Username, c.Password = user, secret.Literal(password) }
}

// TestSecureServer delivers to a node with TLS, users and roles.
func TestSecureServer(t *testing.T) {
	testserver.Require(t)
	s := testserver.StartOpenSearch(t, testserver.OpenSearchOptions{Security: true})
	writer := as("writer", testserver.OpenSearchPassword)
	change := func(changes ...func(c *Config)) func(c *Config) {
		return func(c *Config) {
			for _, change := range changes {
				change(c)
			}
		}
	}
	bare := func(c *Config) { c.InstallTemplate = false }

	t.Run("the least role delivers", func(t *testing.T) {
		k := openReal(t, s, change(writer, bare))
		b := batch(k, 1, 20, day, time.Hour)
		if err := k.Deliver(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		there(t, s, "audit-*", b)
		if err := k.Deliver(t.Context(), b); err != nil {
			t.Error(err)
		}
	})
	t.Run("it may not install the template, and is told what to do", func(t *testing.T) {
		k := openReal(t, s, writer)
		if err := k.Deliver(t.Context(), batch(k, 2, 2, day, 0)); !errors.Is(err, pipeline.ErrRefused) || !strings.Contains(err.Error(), "install_template: false") {
			t.Error(err)
		}
	})
	t.Run("an index outside the role", func(t *testing.T) {
		k := openReal(t, s, change(writer, bare, func(c *Config) { c.Index = "other-%{month}" }))
		if err := k.Deliver(t.Context(), batch(k, 3, 2, day, 0)); !errors.Is(err, pipeline.ErrRefused) || !strings.Contains(err.Error(), "security_exception") {
			t.Error(err)
		}
	})
	t.Run("a stream needs more", func(t *testing.T) {
		k := openReal(t, s, change(writer, bare, withStream))
		b := batch(k, 4, 2, day, 0)
		if _, err := k.Resolve(t.Context(), b.Manifest); err != nil {
			t.Fatal(err)
		}
		if err := k.Deliver(t.Context(), b); !errors.Is(err, pipeline.ErrRefused) {
			t.Error(err)
		}
	})
	t.Run("a wrong password is refused, and read again", func(t *testing.T) {
		k := openReal(t, s, change(as("admin", "wrong-Passw0rd"), bare))
		err := k.Deliver(t.Context(), batch(k, 5, 2, day, 0))
		if !pipeline.IsPermanent(err) || !errors.Is(err, pipeline.ErrRefused) || strings.Contains(err.Error(), "wrong-Passw0rd") {
			t.Error(err)
		}
	})
	t.Run("an authority that is not known", func(t *testing.T) {
		other := filepath.Join(t.TempDir(), "ca.pem")
		text, err := os.ReadFile(filepath.Join(filepath.Dir(s.CAFile), "client.pem"))
		if err == nil {
			err = os.WriteFile(other, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		c := testConfig(change(writer, bare))
		c.URLs, c.TLS.CAFile = []string{s.URL}, other
		k := openLane(t, nil, c, lane)
		defer k.Close()
		if err := k.Deliver(t.Context(), batch(k, 6, 2, day, 0)); err == nil || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "certificate") {
			t.Error(err)
		}
	})
	t.Run("check says who we are", func(t *testing.T) {
		for user, want := range map[string]string{"writer": good, "nobody": fail} {
			k := openReal(t, s, change(as(user, testserver.OpenSearchPassword), bare))
			var text strings.Builder
			worst := good
			for _, f := range k.Check(t.Context()) {
				text.WriteString(f.Name + " " + f.Status + ": " + f.Detail + "; " + f.Hint + "\n")
				if f.Status == fail {
					worst = fail
				}
			}
			if worst != want {
				t.Errorf("%s: %s\n%s", user, worst, text.String())
			}
			t.Logf("%s:\n%s", user, text.String())
		}
	})
}
