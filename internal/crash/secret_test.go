//go:build unix

package crash

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
)

// The admin key of these tests, and the part of it that nothing else contains.
const (
	canary   = "canary-in-a-coal-mine-4711"
	adminKey = "sk-admin-" + canary
)

// spellings are the forms in which the key would be recognised.
func spellings() [][]byte {
	all := [][]byte{
		[]byte(base64.StdEncoding.EncodeToString([]byte(adminKey))),
		[]byte(hex.EncodeToString([]byte(adminKey))),
		[]byte(url.QueryEscape(adminKey)),
	}
	const part = 10 // so much of it is too much
	for i := range len(canary) - part {
		all = append(all, []byte(canary[i:i+part]))
	}
	return all
}

// leaks returns where in the world's folder the key is. Its own file is not looked at.
func (w *world) leaks() ([]string, error) {
	var places []string
	forms := spellings()
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == keyFile {
			return err
		}
		text, err := os.ReadFile(path)
		for _, form := range forms {
			if at := bytes.Index(text, form); at >= 0 {
				places = append(places, fmt.Sprintf("%s: …%s…", d.Name(), text[max(0, at-200):min(len(text), at+60)]))
				break
			}
		}
		return err
	})
	return places, err
}

const keyFile = "admin-key"

// expose runs the program at debug level with the key where the configuration says
// it is, and reports if it is anywhere else afterwards. Meanwhile, which may be nil,
// is called while it runs.
func (w *world) expose(t *testing.T, meanwhile func(p *process), flags ...string) *process {
	t.Helper()
	cmd := exec.Command(connector, append([]string{"run", "--log-level", "debug", "--config", w.path("connector.yaml")}, flags...)...)
	cmd.Env = []string{"UNRELATED=1"}
	if w.key == "" {
		cmd.Env = []string{"OPENAI_ADMIN_KEY=" + adminKey}
	} else if err := os.WriteFile(w.path(keyFile), []byte(adminKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var listed atomic.Pointer[[]byte]
	p, err := w.launch(func(p *process, _ int, _ bool) {
		// As everybody on the host can read it; not on every system.
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.cmd.Process.Pid)); err == nil {
			listed.Store(&text)
		}
	}, cmd)
	if err != nil {
		t.Fatal(err)
	}
	if meanwhile != nil {
		meanwhile(p)
	}
	if err := p.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	places, err := w.leaks()
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range places {
		t.Errorf("the key is in %s", place)
	}
	if text := listed.Load(); text != nil && bytes.Contains(*text, []byte(canary)) {
		t.Errorf("the key is in the process list: %q", *text)
	}
	return p
}

func TestNoSecretWhateverTheAPIAnswers(t *testing.T) {
	t.Parallel()
	ok := openaisim.Config{AdminKey: adminKey, Seed: 6, Events: 300, From: logEnd.AddDate(0, 0, -5), To: logEnd}
	with := func(change func(c *openaisim.Config)) openaisim.Config {
		c := ok
		change(&c)
		return c
	}
	faults := make(map[int]openaisim.Fault)
	for i, f := range []openaisim.Fault{
		openaisim.FaultInternal, openaisim.FaultHTML503, openaisim.FaultHTML200, openaisim.FaultBareString, openaisim.FaultTruncated,
		openaisim.FaultThrottledMillis, openaisim.FaultReset, openaisim.FaultResetBody, openaisim.FaultNoRetry, openaisim.FaultConcatenated,
	} {
		faults[3*i+2] = f
	}
	for name, c := range map[string]struct {
		sim  openaisim.Config
		want int
		says string // a word of the answer: it does get into the log
	}{
		"success":     {ok, 0, "finished"},
		"faults":      {with(func(c *openaisim.Config) { c.Faults.Script = faults }), 0, "page failed, asking again"},
		"401, echoed": {with(func(c *openaisim.Config) { c.AdminKey, c.EchoKey = "sk-admin-another", true }), 1, "Incorrect API key provided"},
		"403":         {with(func(c *openaisim.Config) { c.Refuse = openaisim.RefuseScope403 }), 1, "Missing scopes"},
		"IP":          {with(func(c *openaisim.Config) { c.Refuse = openaisim.RefuseIP }), 1, "allowlist"},
	} {
		for _, from := range []string{"file", "environment"} {
			t.Run(name+", key from "+from, func(t *testing.T) {
				t.Parallel()
				o := options{sim: c.sim, from: logEnd.AddDate(0, 0, -6)}
				if from == "file" {
					o.key = "${file:" + keyFile + "}"
				}
				p := mustWorld(t, o).expose(t, nil, "--once")
				if code := p.cmd.ProcessState.ExitCode(); code != c.want || !p.says(c.says) {
					t.Errorf("ended with %s, want exit status %d and %q:\n%s", p.cmd.ProcessState, c.want, c.says, p.tail())
				}
			})
		}
	}
}

// hostile exports from a server of its own, which is told of the key, until it was
// asked a few times.
func hostile(t *testing.T, answer func(rw http.ResponseWriter, key string)) *process {
	var requests atomic.Int64
	var w *world
	o := options{key: "${file:" + keyFile + "}", from: time.Now().Add(-time.Hour), listen: freeAddress(t)}
	o.api = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		p := w.life.Load()
		<-p.begun
		switch requests.Add(1) {
		case 3:
			w.ask(t)
		case 4:
			p.signal(syscall.SIGTERM) // it would ask for ever
		}
		answer(rw, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	})
	w = mustWorld(t, o)
	p := w.expose(t, nil, "--once")
	if code := p.cmd.ProcessState.ExitCode(); code != 0 && code != 1 || requests.Load() == 0 {
		t.Errorf("ended with %s after %d requests:\n%s", p.cmd.ProcessState, requests.Load(), p.tail())
	}
	return p
}

// ask keeps what the running program tells about itself with all that is written.
func (w *world) ask(t *testing.T) {
	client := &http.Client{Timeout: 10 * time.Second}
	for _, path := range []string{"", "status", "metrics", "readyz"} {
		resp, err := client.Get("http://" + w.listen + "/" + path)
		if err != nil {
			t.Errorf("ask the program for /%s: %v", path, err)
			continue
		}
		text, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close(), os.WriteFile(w.path("answer-"+path), text, 0o600)); err != nil || len(text) == 0 {
			t.Errorf("ask the program for /%s: %d bytes, %v", path, len(text), err)
		}
	}
	cmd := exec.Command(connector, "status", "-o", "json", "--config", w.path("connector.yaml"))
	cmd.Dir = w.dir
	text, err := cmd.CombinedOutput()
	if err = errors.Join(err, os.WriteFile(w.path("answer-verb"), text, 0o600)); err != nil {
		t.Errorf("connector status: %v\n%s", err, text)
	}
}

// freeAddress is an address that nobody listens on.
func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A server may repeat the key wherever it can.
func TestNoSecretThatAServerSendsBack(t *testing.T) {
	t.Parallel()
	const words = "words of the server"
	for name, c := range map[string]struct {
		status int
		body   string // %[1]s is the key
		says   string // in the log, to show that the answer came that far; empty: words
	}{
		"401":             {401, `{"error":{"message":"` + words + `: %[1]s","code":"invalid_api_key"}}`, ""},
		"403":             {403, `{"error":"` + words + `: %[1]s"}`, ""},
		"400":             {400, `{"error":{"message":"` + words + `","param":"%[1]s","code":"%[1]s"}}`, ""},
		"429":             {429, `{"error":{"message":"` + words + `: Bearer %[1]s"}}`, ""},
		"500":             {500, words + `: %[1]s`, ""},
		"502, a page":     {502, "<html><title>" + words + " %[1]s</title></html>", ""},
		"418, long":       {418, words + strings.Repeat(" %[1]s", 40), ""},
		"200, an error":   {200, `{"error":{"message":"` + words + `: %[1]s"}}`, ""},
		"200, a page":     {200, "<html><title>" + words + " %[1]s</title></html>", ""},
		"200, odd time":   {200, `{"data":[{"id":"` + words + ` %[1]s","effective_at":"%[1]s"}],"has_more":false}`, ""},
		"200, odd cursor": {200, `{"data":[{"id":"` + words + ` %[1]s","effective_at":4000000000}],"has_more":true,"last_id":"%[1]s"}`, "the page is the one before"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := hostile(t, func(rw http.ResponseWriter, key string) {
				for _, h := range []string{"X-Request-Id", "Server", "Retry-After", "Location", "Www-Authenticate"} {
					rw.Header().Set(h, key)
				}
				rw.WriteHeader(c.status)
				fmt.Fprintf(rw, c.body, key)
			})
			if says := cmp.Or(c.says, words); !p.says(says) {
				t.Errorf("the log does not say %q, so that nothing was tried:\n%s", says, p.tail())
			}
		})
	}
}

// A source that is refused for good stays up and says why.
func TestNoSecretInWhatARefusedSourceSays(t *testing.T) {
	t.Parallel()
	sim := openaisim.Config{AdminKey: "sk-admin-another", EchoKey: true, Events: 1}
	w := mustWorld(t, options{sim: sim, listen: freeAddress(t), from: logEnd})
	w.expose(t, func(p *process) {
		await(t, p, "stream failed", "Incorrect API key provided")
		w.ask(t)
		p.signal(syscall.SIGTERM)
	})
	if status, err := os.ReadFile(w.path("answer-status")); err != nil || !strings.Contains(string(status), "Incorrect API key provided") {
		t.Errorf("the status does not say why, so that nothing was tried: %s %v", status, err)
	}
}

func TestNoRedirectIsFollowedWithTheKey(t *testing.T) {
	t.Parallel()
	var led atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { led.Add(1) }))
	t.Cleanup(elsewhere.Close)
	hostile(t, func(rw http.ResponseWriter, key string) {
		rw.Header().Set("Location", elsewhere.URL+"/?key="+key)
		rw.WriteHeader(http.StatusTemporaryRedirect)
	})
	if n := led.Load(); n > 0 {
		t.Errorf("%d requests were led elsewhere", n)
	}
}
