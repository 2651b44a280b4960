//go:build unix

package crash

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

var (
	every = flag.Int("crash.every", 10, "try every n-th point; with -short at most every fiftieth")
	point = flag.Int("crash.point", 0, "try this point only")
)

// connector is the program, built for this run of the tests.
var connector string

func TestMain(m *testing.M) {
	if at := os.Getenv(suicideEnv); at != "" {
		if err := suicide(at, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	_ = flag.Set("test.parallel", "8") // unless told otherwise: these tests wait more than they work
	flag.Parse()
	if testing.Short() {
		*every = max(*every, 50)
	}
	os.Exit(build(m))
}

// few reports whether too few points are tried to ask how many of them left a batch in
// doubt. What each one left is judged all the same.
func few() bool { return *point > 0 || testing.Short() }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	connector = filepath.Join(dir, "connector")
	if out, err := exec.Command("go", "build", "-o", connector, "auditlog-connector/cmd/connector").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// watch makes "go test" forget its cached result when the program has changed: it
// goes by the files that a test looks at, and knows nothing of those that were built.
var watch = sync.OnceValue(func() error {
	const folder = "../../cmd/connector"
	files, err := os.ReadDir(folder)
	for _, f := range files {
		if _, statErr := os.Stat(filepath.Join(folder, f.Name())); statErr != nil && err == nil {
			err = statErr
		}
	}
	return err
})
