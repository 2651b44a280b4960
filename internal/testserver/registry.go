package testserver

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// registryVersion is the last release that Java 17 runs.
const registryVersion = "3.0.9"

// Registry is a schema registry that speaks Confluent's REST API and really compares
// schemas: Apicurio Registry. Its schemas are gone once it stops.
type Registry struct {
	*Process
	URL string // of the API
}

// StartRegistry starts a schema registry with the compatibility level BACKWARD, as
// Confluent's has it. It ends with t.
func StartRegistry(t testing.TB) *Registry {
	t.Helper()
	bin := java(t)
	dir := Install(t, "apicurio-registry-"+registryVersion, fetchRegistry)
	port := FreePort(t)
	r := &Registry{URL: fmt.Sprintf("http://127.0.0.1:%d/apis/ccompat/v7", port)}
	r.Process = Start(t, Command{
		Path: bin, Args: []string{"-Xmx512m", "-XX:TieredStopAtLevel=1", "-jar", filepath.Join(dir, "apicurio-registry-app-"+registryVersion+"-runner.jar")},
		// By the canonical hash two spellings of one schema are one schema.
		Env:     []string{"QUARKUS_HTTP_HOST=127.0.0.1", fmt.Sprint("QUARKUS_HTTP_PORT=", port), "APICURIO_CCOMPAT_USE_CANONICAL_HASH=true"},
		Ready:   r.ready,
		Timeout: kafkaPatience,
	})
	return r
}

// ready sets the level, which fails until the registry takes requests.
func (r *Registry) ready(ctx context.Context) error {
	return r.Put(ctx, "/config", `{"compatibility":"BACKWARD"}`)
}

// Put sends body to the registry.
func (r *Registry) Put(ctx context.Context, path, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, r.URL+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return fmt.Errorf("put %s: %s: %s", path, res.Status, text)
	}
	return nil
}

// fetchRegistry has Maven fetch the release, and unpacks it into dir.
func fetchRegistry(dir string) error {
	cmd := exec.Command("mvn", "-B", "-q", "dependency:copy", "-DoutputDirectory=.",
		"-Dartifact=io.apicurio:apicurio-registry-app:"+registryVersion+":tar.gz:all")
	cmd.Dir = dir
	if err := Run(cmd); err != nil {
		return err
	}
	archive := filepath.Join(dir, "apicurio-registry-app-"+registryVersion+"-all.tar.gz")
	return errors.Join(unpack(archive, dir), os.Remove(archive))
}

// unpack writes the files of a compressed archive below dir, and nowhere else.
func unpack(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := root.MkdirAll(filepath.Dir(h.Name), 0o700); err != nil {
			return err
		}
		out, err := root.OpenFile(h.Name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, r)
		if err := errors.Join(err, out.Close()); err != nil {
			return err
		}
	}
}
