package openai

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/internal/secret"
	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
	"auditlog-connector/sources"
)

// keyFile is a key in a file that tests write.
type keyFile struct {
	t    *testing.T
	path string
}

func newKeyFile(t *testing.T) keyFile { return keyFile{t, filepath.Join(t.TempDir(), "key")} }

func (f keyFile) secret() (s secret.String) {
	f.t.Helper()
	if err := s.UnmarshalScalar("${file:" + f.path + "}"); err != nil {
		f.t.Fatal(err)
	}
	return s
}

func (f keyFile) write(text string) {
	f.t.Helper()
	if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func TestKeyIsCheckedBeforeItIsSent(t *testing.T) {
	const adminHint = " (the audit log needs an admin key, which begins with sk-admin-; an organization owner makes one with Audit Logs: Read; put it into file PATH, which is read again by itself)"
	const flawHint = " (it has to be the key and nothing else)"
	for _, tt := range []struct{ name, file, sent, want, class, url string }{
		{name: "as it should be", file: "sk-admin-hunter2", sent: "sk-admin-hunter2"},
		{name: "of a gateway", file: "hunter2", sent: "hunter2"},
		{name: "with a new line", file: "sk-admin-hunter2\r\n\r\n", sent: "sk-admin-hunter2"},
		{name: "with blanks", file: " \tsk-admin-hunter2 \n", sent: "sk-admin-hunter2"},
		{name: "with a byte order mark", file: "\xef\xbb\xbfsk-admin-hunter2\n", sent: "sk-admin-hunter2"},
		{name: "a project's", file: "sk-proj-hunter2", class: "refused",
			want: "admin_key: file PATH holds a project's key, which begins with sk-proj-; nothing was sent" + adminHint},
		{name: "a service account's", file: "sk-svcacct-hunter2", class: "refused",
			want: "admin_key: file PATH holds a service account's key, which begins with sk-svcacct-; nothing was sent" + adminHint},
		{name: "of a gateway that begins like a user's", file: "sk-hunter2", sent: "sk-hunter2", url: "https://gateway.example.com/v1"},
		{name: "a user's", file: "sk-hunter2\n", class: "refused",
			want: "admin_key: file PATH holds a user's key, which begins with sk-; nothing was sent" + adminHint},
		{name: "empty", file: "\n", class: "plain", want: "admin_key: read secret: file PATH is empty"},
		{name: "blank", file: " \n\n", class: "plain", want: "admin_key: file PATH has only white space" + flawHint},
		{name: "two lines", file: "sk-admin-hunter2\nsk-admin-hunter3", class: "plain", want: "admin_key: file PATH has more than one line" + flawHint},
		{name: "a header", file: "Bearer hunter2", class: "plain", want: "admin_key: file PATH begins with Bearer" + flawHint},
		{name: "in quotation marks", file: `"sk-admin-hunter2"`, class: "plain", want: "admin_key: file PATH begins with a quotation mark" + flawHint},
		{name: "an assignment", file: "KEY = hunter2", class: "plain", want: "admin_key: file PATH has a blank or another character that no key has" + flawHint},
		{name: "UTF-16", file: "\xff\xfeh\x00u\x00n\x00t\x00e\x00r\x002\x00", class: "plain", want: "admin_key: file PATH is not UTF-8 text" + flawHint},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newKeyFile(t)
			f.write(tt.file)
			var sent string
			s := openSource(t, func(c *Config) {
				c.AdminKey = f.secret()
				if tt.url != "" {
					c.BaseURL = tt.url
				}
			}, sources.Env{Transport: server(func(r *http.Request) (int, http.Header, string) {
				sent += strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
				return 200, nil, `{"data":[],"has_more":false}`
			})})
			_, err := s.Page(t.Context(), org(0, 0))
			if sent != tt.sent {
				t.Errorf("sent %q, want %q", sent, tt.sent)
			}
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			want := "read audit log, stream organization: " + strings.ReplaceAll(tt.want, "PATH", f.path)
			if err == nil || err.Error() != want || class(err) != tt.class {
				t.Errorf("%s\ngot  %v\nwant %s", class(err), err, want)
			}
		})
	}
}

func TestKeyIsReadAgainAfterItWasRefused(t *testing.T) {
	f := newKeyFile(t)
	var seen []string
	s := openSource(t, func(c *Config) { c.AdminKey = f.secret() }, sources.Env{Transport: server(func(r *http.Request) (int, http.Header, string) {
		seen = append(seen, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		if strings.HasPrefix(seen[len(seen)-1], "revoked") {
			return 403 - 2*(len(seen)%2), nil, ""
		}
		return 200, nil, `{"data":[],"has_more":false}`
	})})
	ask := func() error { _, err := s.Page(t.Context(), org(0, 0)); return err }
	if err := ask(); err == nil || !strings.Contains(err.Error(), f.path) || class(err) != "plain" {
		t.Errorf("no file: %v, want an error that names it", err)
	}
	for range 2 {
		f.write("revoked\n")
		if err := ask(); class(err) != "refused" {
			t.Errorf("%v, want ErrRefused", err)
		}
	}
	f.write("fresh")
	if err := ask(); err != nil {
		t.Error(err)
	}
	f.write("not read while the other one works")
	if err := ask(); err != nil {
		t.Error(err)
	}
	f.write("revoked-2")
	s.key.refuse("fresh")
	f.write("fresh-2")
	if err := ask(); class(err) != "plain" || !strings.Contains(err.Error(), "holds another key by now") || strings.Contains(err.Error(), "fresh") {
		t.Errorf("replaced before it was refused: %v", err)
	}
	if err := ask(); err != nil {
		t.Error(err)
	}
	if s.key.refuse("revoked") != true || s.key.refuse("fresh-2") != false {
		t.Error("an answer to an older key has to leave the new one alone")
	}
	f.write("two\nlines")
	if s.key.refuse("fresh-2") {
		t.Error("two lines are not a key")
	}
	if err := ask(); err == nil || strings.Contains(err.Error(), "lines\n") {
		t.Errorf("two lines: %v", err)
	}
	if got, want := strings.Join(seen, " "), "revoked revoked fresh fresh revoked-2 fresh-2"; got != want {
		t.Errorf("keys sent: %s, want %s", got, want)
	}
}

func TestKeyIsHiddenInWhateverTheServerEchoes(t *testing.T) {
	for _, body := range []string{testKey, `{"error":"` + testKey + `"}`, `{"data":[{"id":"` + testKey + `"}],"has_more":false}`,
		`{"error":{"message":"m","code":"` + testKey + `","param":"` + testKey + `"}}`,
		`{"data":[{"id":"x","effective_at":1}],"has_more":true,"last_id":"` + testKey + `"}`} {
		for _, status := range []int{200, 302, 400, 401, 404, 418, 429, 500} {
			for _, after := range []string{"", testKey} {
				s := openSource(t, nil, sources.Env{Transport: server(func(*http.Request) (int, http.Header, string) {
					return status, http.Header{"X-Request-Id": {testKey}, "Location": {testKey}}, body
				})})
				req := org(0, 0)
				if after != "" {
					req.Cursor = cursor{After: after}.encode()
				}
				page, err := s.Page(t.Context(), req)
				if err == nil && page.Next == "" || err != nil && strings.Contains(err.Error(), testKey) {
					t.Errorf("HTTP %d, %s: %v", status, body, err)
				}
				s.budget.next = time.Time{} // a 429 holds everybody up
				if got := table(s.Check(t.Context())); strings.Contains(got, testKey) {
					t.Errorf("HTTP %d, %s: %s", status, body, got)
				}
			}
		}
	}
}

// counter is a sink that counts what it gets.
type counter struct {
	mu  sync.Mutex
	ids map[string]int
}

func (c *counter) Deliver(_ context.Context, b pipeline.Batch) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range b.Records {
		c.ids[r.ID]++
	}
	return nil
}

func (c *counter) Resolve(context.Context, pipeline.Manifest) (pipeline.Outcome, error) {
	return pipeline.OutcomeUnknown, nil
}

func (c *counter) Close() error { return nil }

func (c *counter) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ids)
}

// First the old key is revoked and only later the new one put into its file, then
// the file is written first.
func TestKeyIsRotatedWhileThePipelineRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))) // before 2023 there was no log
		f := newKeyFile(t)
		f.write("sk-admin-one")
		sim, err := openaisim.New(openaisim.Config{AdminKey: "sk-admin-one", Seed: 1, Both: -1})
		if err != nil {
			t.Fatal(err)
		}
		letIn := func(key string) {
			t.Helper()
			if err := sim.Update(func(c *openaisim.Config) { c.AdminKey = key }); err != nil {
				t.Fatal(err)
			}
		}
		s := openSource(t, func(c *Config) { c.AdminKey, c.BaseURL, c.Tenant = f.secret(), "http://localhost/v1", TenantOff }, sources.Env{Transport: sim})
		sink := &counter{ids: make(map[string]int)}
		p, err := pipeline.New(pipeline.Config{
			Store: checkpoint.NewMemory(), PollInterval: 30 * time.Second, Recent: 10 * time.Minute, SweepInterval: time.Hour,
			Overlap: 24 * time.Hour, DrainTimeout: time.Second, Logger: slog.New(slog.DiscardHandler),
			Sources: []pipeline.SourceConfig{{Name: "acme", Source: s, Lanes: []pipeline.LaneConfig{{
				Sink: "count", Target: sink, Buffer: 1000, Batch: pipeline.BatchPolicy{MaxEvents: 10, MaxAge: time.Second},
			}}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		time.Sleep(7 * time.Second) // what the test does falls between two polls
		delivered := func(n int, within time.Duration) {
			t.Helper()
			if _, err := sim.Publish(openaisim.Event{Type: "user.added"}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(within)
			if got := sink.len(); got != n {
				t.Fatalf("%d events delivered, want %d; status %+v", got, n, p.Status())
			}
		}
		delivered(1, time.Minute)
		letIn("sk-admin-two")
		delivered(1, 10*time.Minute)
		if state := p.Status().Sources[0].Streams[0].State; state != "refused" {
			t.Errorf("the stream is %s, want refused", state)
		}
		f.write("sk-admin-two\n")
		time.Sleep(6 * time.Minute)
		delivered(3, time.Minute)

		f.write("sk-admin-three\n")
		delivered(4, time.Minute)
		letIn("sk-admin-three")
		delivered(5, time.Minute) // without the pause of a refused key
		stop()
		if err := <-ended; err != nil && !errors.Is(err, ctx.Err()) {
			t.Error(err)
		}
	})
}
