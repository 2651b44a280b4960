package main

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/pipeline/checkpoint"
)

// What is wrong and how it is answered, with the real components. More of it:
//
//	each kind of slip in each block, all at once   TestConfigurations, TestValidateAsJSON
//	a secret that validate does not read           TestSecretsAreReadOnlyToRun
//	flags, verbs and their arguments               TestUsageErrors
//	keys that are no keys, and other kinds         TestKeyIsCheckedBeforeItIsSent (sources/openai)
//	base URLs                                      TestConfigIsValidated (sources/openai)
//	a disk that fills up, torn and damaged files   pipeline/checkpoint, sinks/file, sinks/sqlite
//	what the API refuses                           TestAnswersAreExplained (sources/openai)

// badInput is a configuration that cannot work, or files that do not fit one.
type badInput struct {
	config  string             // the lines that differ: see badConfig
	prepare func(t *testing.T) // in the folder where the program runs
	env     map[string]string  // beside the simulator's
	verb    string             // run --once unless given
	code    int
	want    []string                          // all in the standard error
	after   func(t *testing.T, stderr string) // more to look at
}

// badConfig is a configuration that works. A case replaces one of its lines, found
// by the key that the case's first line has.
const badConfig = `sources:
  - name: acme
    type: openai
    config:
      admin_key: ${env:OPENAI_ADMIN_KEY}
      base_url: ${env:OPENAI_BASE_URL}
      requests_per_second: 1000
pipeline:
  overlap: 24h
checkpoint:
  path: state/checkpoint.db
http:
  listen: ""
sinks:
  - name: db
    type: sqlite
    config:
      path: audit.db
`

// with returns badConfig with changes, each a line that takes the place of the one
// with its key.
func with(t *testing.T, changes string) string {
	t.Helper()
	lines := strings.Split(badConfig, "\n")
	for _, change := range strings.Split(strings.Trim(changes, "\n"), "\n") {
		key, _, _ := strings.Cut(strings.TrimPrefix(change, "+"), ":")
		found := false
		for i, line := range lines {
			if !found && key != "" && strings.HasPrefix(line, key+":") {
				lines[i], found = change, true
			}
		}
		switch {
		case found, changes == "":
		case strings.HasPrefix(change, "+"): // one more
			lines[len(lines)-1] = change[1:]
			lines = append(lines, "")
		default:
			t.Fatalf("the configuration has no %q", key)
		}
	}
	return strings.Join(lines, "\n")
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// newerWitness is what a checkpoint of format 200 would have beside it.
func newerWitness() string {
	const text = "auditlog-connector checkpoint witness 200\n"
	return text + fmt.Sprintf("%08x\n", crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)))
}

// nothingMade makes sure that the program did not get as far as writing.
func nothingMade(t *testing.T, _ string) {
	t.Helper()
	for _, name := range []string{"state", "audit.db"} {
		if _, err := os.Stat(name); err == nil {
			t.Errorf("%s was made", name)
		}
	}
}

var badInputs = map[string]badInput{
	"unknown key": {
		config: "      requests_per_second: 5\n      admin_key: ${env:OPENAI_ADMIN_KEY}\n+      pathh: x", code: exitUsage, after: nothingMade,
		want: []string{"connector.yaml:19:7: sinks[0].config.pathh: unknown key", "path"},
	},
	"unknown key at the top": {
		config: "+sink: []", code: exitUsage, after: nothingMade,
		want: []string{"connector.yaml:19:1: sink: unknown key", "did you mean sinks?"},
	},
	"wrong type": {
		config: "  overlap: soon", code: exitUsage, after: nothingMade,
		want: []string{"connector.yaml:9:12: pipeline.overlap: "},
	},
	"text that is no YAML": {
		config: "sinks: 5", code: exitUsage, after: nothingMade,
		want: []string{"connector.yaml:15:1: not valid YAML"},
	},
	"duplicate sink name": {
		config: "+  - { name: db, type: sqlite, config: { path: other.db } }", code: exitUsage, after: nothingMade,
		want: []string{`connector.yaml:19:13: sinks[1].name: duplicate name "db" (first on line 15)`},
	},
	"unknown sink type": {
		config: "+  - { name: lake, type: sqlit }", code: exitUsage, after: nothingMade,
		want: []string{`connector.yaml:19:25: sinks[1].type: unknown type "sqlit"`, "did you mean sqlite?"},
	},
	"all at once": {
		config: "  overlap: soon\n      base_url: api.example.com\n+  - { name: db, type: sqlit }", code: exitUsage, after: nothingMade,
		want: []string{"4 problems in the configuration", "connector.yaml:6:17: ", "connector.yaml:9:12: ", "connector.yaml:19:13: ", "connector.yaml:19:23: "},
	},
	"file of a secret is missing": {
		config: "      admin_key: ${file:/run/missing/key}", code: exitUsage, after: nothingMade,
		want: []string{"connector.yaml:5:18: sources[0].config.admin_key: file /run/missing/key: no such file or directory"},
	},
	"variable is not set": {
		config: "      admin_key: ${env:NOT_SET}", code: exitUsage, after: nothingMade,
		want: []string{"connector.yaml:5:18: sources[0].config.admin_key: environment variable NOT_SET is not set"},
	},
	"empty key": {
		config: "      admin_key: ${env:EMPTY}", env: map[string]string{"EMPTY": ""}, code: exitUsage, after: nothingMade,
		want: []string{"connector.yaml:5:18: sources[0].config.admin_key: ", "EMPTY"},
	},
	"empty literal key": {
		config: `      admin_key: ""`, code: exitUsage, after: nothingMade,
		want: []string{"connector.yaml:5:18: sources[0].config.admin_key: ", "sk-admin-"},
	},
	"project key": {
		env: map[string]string{"OPENAI_ADMIN_KEY": "sk-proj-" + hidden}, code: exitFailure,
		want: []string{"holds a project's key, which begins with sk-proj-; nothing was sent", "an admin key, which begins with sk-admin-"},
	},
	"base URL without scheme": {
		config: "      base_url: api.example.com/v1", code: exitUsage, after: nothingMade,
		want: []string{`connector.yaml:6:17: sources[0].config.base_url: "api.example.com/v1" has no scheme (write https://HOST/v1)`},
	},
	"checkpoint below a file": {
		config: "  path: plain/checkpoint.db", prepare: func(t *testing.T) { write(t, "plain", "x") }, code: exitFailure,
		want: []string{"open checkpoint plain/checkpoint.db: ", "not a directory"},
	},
	"checkpoint is a folder": {
		config: "  path: folder", prepare: func(t *testing.T) { write(t, "folder/x", "x") }, code: exitFailure,
		want: []string{"open checkpoint folder: "},
	},
	"checkpoint in a folder that may not be written": {
		config: "  path: sealed/checkpoint.db", prepare: func(t *testing.T) {
			if err := os.Mkdir("sealed", 0o500); err != nil {
				t.Fatal(err)
			}
			asNobody(t)
		}, code: exitFailure,
		want: []string{"open checkpoint sealed/checkpoint.db: ", "permission denied (its file and folder must be writable)"},
	},
	"checkpoint of a newer version": {
		prepare: func(t *testing.T) {
			f, err := checkpoint.Open("state/checkpoint.db")
			if err == nil {
				err = f.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			write(t, "state/checkpoint.db.generation", newerWitness())
		}, code: exitFailure,
		want: []string{"state/checkpoint.db", "written by a newer version of the connector (format 200", "upgrade the connector"},
	},
	"database is none": {
		prepare: func(t *testing.T) { write(t, "audit.db", "this is a text, not a database\n") }, code: exitFailure,
		want: []string{"lane acme/db: claim: open database: audit.db is not a SQLite database"},
		after: func(t *testing.T, _ string) {
			if text, err := os.ReadFile("audit.db"); err != nil || string(text) != "this is a text, not a database\n" {
				t.Errorf("the file was changed: %v", err)
			}
		},
	},
	"database below a file": {
		config: "      path: plain/audit.db", prepare: func(t *testing.T) { write(t, "plain", "x") }, verb: "check", code: exitFailure,
	},
	"output in a folder that is missing": {
		config: "      path: a/b/audit.db\n+  - { name: lines, type: file, config: { path: c/d/audit.jsonl } }", code: exitOK,
		after: func(t *testing.T, _ string) {
			for _, name := range []string{"a/b/audit.db", "c/d/audit.jsonl"} {
				if info, err := os.Stat(name); err != nil || info.Size() == 0 {
					t.Errorf("%s: %v", name, err)
				}
			}
		},
	},
	"output file below a file": {
		config:  "+  - { name: lines, type: file, config: { path: plain/audit.jsonl } }",
		prepare: func(t *testing.T) { write(t, "plain", "x") }, verb: "check", code: exitFailure,
	},
}

func TestBadInputIsExplained(t *testing.T) {
	for name, tt := range badInputs {
		t.Run(name, tt.isExplained)
	}
}

// isExplained runs the program on what is wrong, and looks at its answer.
func (tt badInput) isExplained(t *testing.T) {
	inFolder(t, map[string]string{"connector.yaml": with(t, tt.config)})
	if tt.prepare != nil {
		tt.prepare(t)
	}
	_, env := simulator(t, openaisim.Config{Seed: 1, Events: 20})
	for k, v := range tt.env {
		env[k] = v
	}
	args := []string{"run", "--once"}
	if tt.verb != "" {
		args = strings.Fields(tt.verb)
	}
	code, stdout, stderr := real(t, env, args...)
	said := stderr
	if tt.verb == "check" {
		said = stdout
		if !strings.Contains(said, "fail") || !strings.Contains(said, "plain") {
			t.Errorf("check does not say what is wrong:\n%s", said)
		}
	}
	if code != tt.code {
		t.Errorf("exit %d, want %d:\n%s", code, tt.code, said)
	}
	for _, want := range tt.want {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in:\n%s", want, said)
		}
	}
	if strings.Contains(stdout+stderr, hidden) {
		t.Errorf("a secret is shown:\n%s%s", stdout, stderr)
	}
	if tt.after != nil {
		tt.after(t, stderr)
	}
}

func TestDollarInAPasswordIsLeftAlone(t *testing.T) {
	const password = `pa$$w0rd$HOME$1${`
	for name, key := range map[string]string{
		"from a file": "${file:key}", "from the environment": "${env:KEY}", "literal": `'pa$$w0rd$HOME$1$${'`,
	} {
		t.Run(name, func(t *testing.T) {
			inFolder(t, map[string]string{
				"key":            "sk-admin-" + password + "\n",
				"connector.yaml": with(t, "      admin_key: "+strings.Replace(key, "'pa", "'sk-admin-pa", 1)),
			})
			_, env := simulator(t, openaisim.Config{Events: 20, AdminKey: "sk-admin-" + password})
			env["KEY"] = "sk-admin-" + password
			if code, _, stderr := real(t, env, "run", "--once"); code != exitOK {
				t.Errorf("exit %d: the server was sent another key: %s", code, stderr)
			}
		})
	}
}

func TestCheckpointIsOpenedByOneProcess(t *testing.T) {
	_, env := simulator(t, openaisim.Config{Events: 20})
	inFolder(t, map[string]string{"connector.yaml": with(t, "")})
	held, err := checkpoint.Open("state/checkpoint.db")
	if err != nil {
		t.Fatal(err)
	}
	other := exec.CommandContext(t.Context(), os.Args[0], "run", "--once")
	other.Env = append(os.Environ(), runMain+"=1")
	for k, v := range env {
		other.Env = append(other.Env, k+"="+v)
	}
	said, _ := other.CombinedOutput() // the exit code says whether it failed
	if code := other.ProcessState.ExitCode(); code != exitFailure || !strings.Contains(string(said), "state/checkpoint.db") ||
		!strings.Contains(string(said), "is another connector running with it?") {
		t.Errorf("exit %d, %s", code, said)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := real(t, env, "run", "--once"); code != exitOK {
		t.Errorf("after it was closed: exit %d, %s", code, stderr)
	}
}

func TestClockOfTheHostDecidesNothing(t *testing.T) {
	for name, skew := range map[string]time.Duration{"two hours ahead": -2 * time.Hour, "two hours behind": 2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			inFolder(t, map[string]string{"connector.yaml": with(t, "")})
			// The whole server has the other clock: its entries' times as well.
			_, env := simulator(t, openaisim.Config{Seed: 3, Events: 400, Now: func() time.Time { return time.Now().Add(skew) }})
			for range 2 {
				code, _, stderr := real(t, env, "run", "--once")
				if code != exitOK || strings.Count(stderr, "this host's clock differs from the server's") != 1 || !strings.Contains(stderr, "2h0m0s") {
					t.Errorf("exit %d, want one warning: %s", code, stderr)
				}
			}
			if code, stdout, stderr := real(t, env, "query", "--db", "audit.db", "-o", "csv", "SELECT count(*), count(DISTINCT id) FROM audit_logs"); code != exitOK || stdout != "count(*),count(DISTINCT id)\n400,400\n" {
				t.Errorf("exit %d, %s%s", code, stdout, stderr)
			}
			code, stdout, _ := real(t, env, "check")
			if code != exitOK || !strings.Contains(stdout, "warn    source acme   clock") {
				t.Errorf("check: exit %d,\n%s", code, stdout)
			}
		})
	}
}
