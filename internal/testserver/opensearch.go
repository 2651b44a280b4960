package testserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// OpenSearch is one node of OpenSearch on the loopback interface. With Security it
// knows the users "admin", who may do everything, and "writer", who may do what
// delivering needs in indices named audit-* and logs-*; OpenSearchPassword is the
// password of both.
type OpenSearch struct {
	*Process
	URL     string
	CAFile  string // what to trust; empty without Security
	Version string
	client  *http.Client
}

// OpenSearchOptions vary a node. The zero value is plain HTTP for everybody.
type OpenSearchOptions struct {
	Security bool              // TLS, users and roles
	Settings map[string]string // lines of opensearch.yml
	Fast     bool              // the virtual machine's defaults: starts later, works faster
}

// OpenSearchPassword is the password of the users of a test node.
const OpenSearchPassword = "Example-Passw0rd"

// StartOpenSearch starts a node and waits until it takes documents. It ends with t;
// what it holds survives [Process.Kill] and [Process.Start].
func StartOpenSearch(t testing.TB, o OpenSearchOptions) *OpenSearch {
	t.Helper()
	jdk := findJDK(t)
	dist := installOpenSearch(t, jdk)
	home := dataFolder(t)
	port := FreePort(t)
	s := &OpenSearch{URL: fmt.Sprintf("http://127.0.0.1:%d", port), Version: jdk.version}
	files := map[string]string{
		"config/log4j2.properties": "status = error\nappender.out.type = Console\nappender.out.name = out\nappender.out.layout.type = PatternLayout\n" +
			"appender.out.layout.pattern = %d %p %c{1.} %m%n\nrootLogger.level = warn\nrootLogger.appenderRef.out.ref = out\n",
		"config/opensearch.yml": fmt.Sprintf("cluster.name: test\nnode.name: node-1\nnetwork.host: 127.0.0.1\nhttp.port: %d\ntransport.port: %d\n"+
			"discovery.type: single-node\ncluster.routing.allocation.disk.threshold_enabled: false\npath.data: %s\n", port, FreePort(t), MemoryFolder(t)),
		"tmp/.keep": "", "plugins/.keep": "", "logs/.keep": "",
	}
	if o.Security {
		s.URL = fmt.Sprintf("https://127.0.0.1:%d", port)
		certs := makeKafkaCerts(t, home)
		s.CAFile = certs.CA
		s.secure(t, jdk, dist, home, certs, files)
	}
	for _, key := range slices.Sorted(maps.Keys(o.Settings)) {
		files["config/opensearch.yml"] += key + ": " + o.Settings[key] + "\n"
	}
	at := make(map[string]string, len(files))
	for path, text := range files {
		at[filepath.Join(home, path)] = text
	}
	if err := writeFiles(at); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(home, "plugins", ".keep")); err != nil { // it would count as a plugin
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dist, "modules"), filepath.Join(home, "modules")); err != nil {
		t.Fatal(err)
	}
	s.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: trusting(t, s.CAFile), DisableKeepAlives: true}}
	args := []string{"-Xms512m", "-Xmx512m"}
	if !o.Fast {
		args = append(args, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
	}
	args = append(args, "--enable-native-access=ALL-UNNAMED", "-Djava.io.tmpdir="+filepath.Join(home, "tmp"),
		"-cp", filepath.Join(dist, "launcher")+":"+filepath.Join(dist, "lib", "*"), "RunNode", home)
	s.Process = Start(t, Command{
		Path: filepath.Join(jdk.home, "bin", "java"), Args: args, Dir: home, Timeout: 10 * time.Minute, Ready: s.ready,
	})
	return s
}

// ready waits until every shard that was there before can be written again.
func (s *OpenSearch) ready(ctx context.Context) error {
	status, body, err := s.Do(ctx, http.MethodGet, "/_cluster/health?wait_for_status=yellow&timeout=5s", "")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("it answers %d: %s", status, body)
	}
	return nil
}

// Do sends a request as the user admin and returns the answer.
func (s *OpenSearch) Do(ctx context.Context, method, path, body string) (status int, answer []byte, err error) {
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, content)
	if err != nil {
		return 0, nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if s.CAFile != "" {
		req.SetBasicAuth("admin", OpenSearchPassword)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// Must sends a request as the user admin, which has to succeed.
func (s *OpenSearch) Must(t testing.TB, method, path, body string) []byte {
	t.Helper()
	status, answer, err := s.Do(context.WithoutCancel(t.Context()), method, path, body)
	if err != nil || status < 200 || status > 299 {
		t.Fatalf("%s %s: %d %v: %.1000s", method, path, status, err, answer)
	}
	return answer
}

// secure adds to files what makes the node ask for names and passwords. The plugin
// makes its own index of them at the first start.
func (s *OpenSearch) secure(t testing.TB, jdk openSearchJDK, dist, home string, certs *KafkaCerts, files map[string]string) {
	t.Helper()
	plugin := filepath.Join(dist, "security")
	if err := errors.Join(os.MkdirAll(filepath.Join(home, "plugins"), 0o700), os.MkdirAll(filepath.Join(home, "config"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(plugin, filepath.Join(home, "plugins", "opensearch-security")); err != nil {
		t.Fatal(err)
	}
	server, err := os.ReadFile(certs.bundle)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(certs.CA)
	if err != nil {
		t.Fatal(err)
	}
	key, cert, _ := bytes.Cut(server, []byte("-----BEGIN CERTIFICATE-----"))
	files["config/node.key"], files["config/node.pem"], files["config/ca.pem"] = string(key), "-----BEGIN CERTIFICATE-----"+string(cert), string(ca)
	var yml strings.Builder
	for _, layer := range []string{"transport", "http"} {
		for name, file := range map[string]string{"cert": "node.pem", "key": "node.key", "trustedcas": "ca.pem"} {
			fmt.Fprintf(&yml, "plugins.security.ssl.%s.pem%s_filepath: %s\n", layer, name, file)
		}
	}
	yml.WriteString("plugins.security.ssl.transport.enforce_hostname_verification: false\nplugins.security.ssl.http.enabled: true\n" +
		"plugins.security.nodes_dn: [\"CN=server\"]\nplugins.security.authcz.admin_dn: [\"CN=client\"]\nplugins.security.restapi.roles_enabled: [\"all_access\"]\n" +
		"plugins.security.allow_default_init_securityindex: true\nplugins.security.audit.type: noop\n")
	files["config/opensearch.yml"] += yml.String()

	defaults, err := filepath.Glob(filepath.Join(plugin, "config", "*.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range defaults {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files["config/opensearch-security/"+filepath.Base(path)] = string(text)
	}
	hasher := exec.Command(filepath.Join(jdk.home, "bin", "java"), "-cp", filepath.Join(plugin, "*")+":"+filepath.Join(dist, "lib", "*"),
		"org.opensearch.security.tools.Hasher", "-env", "HASHED")
	hasher.Env = append(os.Environ(), "HASHED="+OpenSearchPassword)
	out, err := hasher.Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	hash := lines[len(lines)-1]
	if err != nil || !strings.HasPrefix(hash, "$2") {
		t.Fatalf("hash the password: %v: %s", err, out)
	}
	files["config/opensearch-security/internal_users.yml"] = fmt.Sprintf("_meta: {type: internalusers, config_version: 2}\n"+
		"admin: {hash: %q, reserved: true, backend_roles: [admin]}\nwriter: {hash: %q, opendistro_security_roles: [audit_writer]}\n", hash, hash)
	files["config/opensearch-security/roles.yml"] += "\naudit_writer:\n" +
		"  cluster_permissions: [\"indices:data/write/bulk\", \"cluster:monitor/main\"]\n  index_permissions:\n" +
		"    - index_patterns: [\"logs-*\", \"audit-*\"]\n" +
		"      allowed_actions: [\"indices:data/write/bulk*\", \"indices:data/write/index\", \"indices:admin/mapping/put\", \"indices:admin/create\"]\n"
}
