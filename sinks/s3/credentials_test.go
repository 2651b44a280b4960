package s3

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditlog-connector/pipeline"
)

// accept makes the store refuse all keys but one.
func accept(f *fixture, key *string) {
	f.fake.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.Header.Get("Authorization"), "Credential="+*key+"/") {
			return false
		}
		refuse(w, r, 403, "InvalidAccessKeyId", "the key does not exist")
		return true
	}
}

func TestCredentialsAreReadAgainWhenTheyAreRefused(t *testing.T) {
	issue := map[string]func(t *testing.T, dir, key string){
		"credentials file": func(t *testing.T, dir, key string) {
			text := "[default]\naws_access_key_id = " + key + "\naws_secret_access_key = secret-of-" + key + "\n"
			write(t, filepath.Join(dir, "credentials"), text)
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"))
		},
		"credential process": func(t *testing.T, dir, key string) {
			write(t, filepath.Join(dir, "answer"), fmt.Sprintf(`{"Version":1,"AccessKeyId":%q,"SecretAccessKey":"s"}`, key))
			write(t, filepath.Join(dir, "config"), "[default]\ncredential_process = /bin/cat "+filepath.Join(dir, "answer")+"\n")
			t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
		},
	}
	for name, issue := range issue {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", "")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "")
			dir, key := t.TempDir(), "FIRST"
			issue(t, dir, "FIRST")
			f := newFixture(t, "")
			accept(f, &key)
			f.claim(1)
			f.deliver(f.batch(1, 1))

			key = "SECOND"
			b := f.batch(2, 1)
			var throttled *pipeline.ThrottledError
			if err := f.Deliver(t.Context(), b); !errors.As(err, &throttled) {
				t.Errorf("refused once: %v, want a ThrottledError", err)
			}
			for range 2 {
				if err := f.Deliver(t.Context(), b); !errors.Is(err, pipeline.ErrRefused) || !pipeline.IsPermanent(err) {
					t.Errorf("refused again: %v, want ErrRefused", err)
				}
			}
			issue(t, dir, "SECOND")
			f.deliver(b)

			key = "THIRD"
			issue(t, dir, "THIRD")
			if err := f.Deliver(t.Context(), f.batch(3, 1)); !errors.As(err, &throttled) {
				t.Errorf("rotated: %v, want a ThrottledError", err)
			}
			f.deliver(f.batch(3, 1))
		})
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestClockThatIsOffIsCorrected: the SDK learns the store's time from the refusal.
func TestClockThatIsOffIsCorrected(t *testing.T) {
	f := newFixture(t, "")
	f.claim(1)
	ahead := 40 * time.Minute // the store's clock is
	f.fake.answer = func(w http.ResponseWriter, r *http.Request) bool {
		now := time.Now().Add(ahead)
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err == nil && now.Sub(at).Abs() < 15*time.Minute {
			return false
		}
		refuse(w, r, 403, "RequestTimeTooSkewed", "the difference is too large")
		return true
	}
	b := f.batch(1, 1)
	err := f.Deliver(t.Context(), b)
	if err == nil || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "clock of this machine is off") {
		t.Errorf("deliver: %v, want one about the clock that is tried again", err)
	}
	f.deliver(b)
}
