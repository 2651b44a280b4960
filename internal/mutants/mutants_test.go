//go:build mutants

package mutants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// Histories tried for a mutant before it counts as a survivor.
const (
	worldSeeds  = 20_000
	engineSeeds = 1500
)

// limit is how long the tests of one mutant may take.
const limit = time.Hour

// TestMutants fails if a mutant survives the tests of its tier.
func TestMutants(t *testing.T) {
	world := worldSeeds
	if n, err := strconv.Atoi(os.Getenv("MUTANT_SEEDS")); err == nil {
		world = n
	}
	healthy(t)
	t.Logf("%-50s %4s %8s %8s", "mutant", "tier", "seed", "seconds")
	for _, m := range All {
		t.Run(m.Name, func(t *testing.T) {
			seeds := engineSeeds
			if m.Tier == TierWorld {
				seeds = world
			}
			began := time.Now()
			seed, output := kill(t, m, seeds)
			if seed == "" {
				t.Fatalf("survives %d histories of tier %d: %s\n%s", seeds, m.Tier, m.Why, output)
			}
			t.Logf("%-50s %4d %8s %8.1f", m.Name, m.Tier, seed, time.Since(began).Seconds())
		})
	}
}

// healthy fails unless the code as it is passes what mutants have to fail.
func healthy(t *testing.T) {
	t.Helper()
	tried := make(map[string]bool)
	for _, m := range All {
		pkg, args := m.Command(300)
		if tried[pkg+args[0]] {
			continue
		}
		tried[pkg+args[0]] = true
		run := bounded(t.Context(), "go", append([]string{"test", "-count=1", pkg, "-args"}, args...)...)
		run.Dir = path(t, ".")
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("without any mutant, %s %v: %v\n%s", pkg, args, err, out)
		}
	}
}

var (
	failingSeed = regexp.MustCompile(`seed:? (\d+)`)
	failed      = regexp.MustCompile(`(?m)^\s*--- FAIL|^panic:|^fatal error:`)
)

// kill makes m and runs its tests. It returns the seed at which they failed, "-" if
// they have none, and nothing if they passed. A mutant that does not compile is a
// mistake in the list, and so are tests that do not end.
func kill(t *testing.T, m Mutant, seeds int) (seed, output string) {
	t.Helper()
	dir := t.TempDir()
	source, err := m.Apply(read(t, m.File))
	if err != nil {
		t.Fatal(err)
	}
	mutated := filepath.Join(dir, "mutated.go")
	write(t, mutated, []byte(source))
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path(t, m.File): mutated}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "overlay.json"), overlay)

	pkg, args := m.Command(seeds)
	binary := filepath.Join(dir, "mutant.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay="+filepath.Join(dir, "overlay.json"), "-o", binary, pkg)
	build.Dir = path(t, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("does not compile: %v\n%s", err, out)
	}

	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	run := bounded(ctx, binary, append(args, "-test.timeout=0")...)
	run.Dir = path(t, pkg)
	out, err := run.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		t.Fatalf("the tests do not end within %s", limit)
	case err == nil:
		if bytes.Contains(out, []byte("no tests to run")) {
			t.Fatalf("no tests to run: %v", args)
		}
		return "", string(out)
	case !errors.As(err, &exit) || !failed.Match(out):
		t.Fatalf("run the tests: %v\n%s", err, out)
	}
	if m.Run != "" {
		return "-", string(out)
	}
	found := failingSeed.FindSubmatch(out)
	if found == nil {
		// Coverage that is missing is no kill: few histories, or a world too kind.
		if bytes.Contains(out, []byte("panic:")) || bytes.Contains(out, []byte("fatal error:")) {
			return "panic", string(out)
		}
		return "", string(out)
	}
	return string(found[1]), string(out)
}

// bounded is a command that cannot take all memory: a bug may make tests that end
// into tests that do not.
func bounded(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "sh", append([]string{"-c", `ulimit -v 8000000; exec "$0" "$@"`, name}, args...)...)
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
