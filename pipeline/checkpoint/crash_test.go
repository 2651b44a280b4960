package checkpoint

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint/checkpointtest"
)

var (
	crashLanes = []string{"acme/a", "acme/b"}
	crashStart = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
)

// countedEpochs mints the same epochs in every process.
func countedEpochs() Option {
	n := 0
	return WithEpochs(func() string { n++; return fmt.Sprintf("%08x", n) })
}

// script is a history that two processes can work out alike.
func script(seed uint64, steps int) []checkpointtest.Step {
	rng, m := rand.New(rand.NewPCG(seed, 7)), checkpointtest.NewModel()
	for i, lane := range crashLanes {
		m.Add(lane, fmt.Sprintf("%08x", i+1), crashStart)
	}
	var all []checkpointtest.Step
	for i := range steps {
		st := m.Random(rng, crashLanes[i%len(crashLanes)])
		m.Advance(st)
		all = append(all, st)
	}
	return all
}

// after returns what a lane holds after the first n steps of all.
func after(all []checkpointtest.Step, n int, lane string) pipeline.Checkpoint {
	m := checkpointtest.NewModel()
	for i, lane := range crashLanes {
		m.Add(lane, fmt.Sprintf("%08x", i+1), crashStart)
	}
	for _, st := range all[:n] {
		m.Advance(st)
	}
	return m.Checkpoint(lane)
}

// crashEnv makes this program the child of TestProcessKilledBetweenAnyTwoWrites:
// "path|seed|first step|writes".
const crashEnv = "CHECKPOINT_TEST_CRASH"

func TestMain(m *testing.M) {
	if args := os.Getenv(crashEnv); args != "" {
		if err := crashing(args); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// crashing makes the steps of a script from the given one on and kills this process
// at the n-th write.
func crashing(text string) error {
	args := strings.Split(text, "|")
	if len(args) != 4 {
		return fmt.Errorf("%s has %d parts, want 4", crashEnv, len(args))
	}
	seed, _ := strconv.ParseUint(args[1], 10, 64)
	from, _ := strconv.Atoi(args[2])
	writes, _ := strconv.Atoi(args[3])
	f, err := Open(args[0], countedEpochs())
	if err != nil {
		return err
	}
	f.at = func(string) {
		if writes--; writes == 0 {
			if self, err := os.FindProcess(os.Getpid()); err == nil {
				_ = self.Kill()
			}
			select {}
		}
	}
	ctx := context.Background()
	for _, lane := range crashLanes {
		if _, err := f.Load(ctx, lane, crashStart); err != nil {
			return err
		}
	}
	for i, st := range script(seed, 60)[from:] {
		if err := f.Advance(ctx, st.Lane, st.Done, st.Next); err != nil {
			return err
		}
		fmt.Printf("\nmade %d\n", from+i+1)
	}
	return nil
}

func TestProcessKilledBetweenAnyTwoWrites(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	path := filepath.Join(t.TempDir(), "checkpoint.db")
	all := script(seed, 60)
	made, kills := 0, 0
	for life := 0; made < len(all) && life < 60; life++ {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%d|%d|%d", crashEnv, path, seed, made, life%11+1))
		out, err := cmd.CombinedOutput()
		if err != nil {
			if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || ws.Signal() != syscall.SIGKILL {
				t.Fatalf("child: %v\n%s", err, out)
			}
			kills++
		}
		told := made
		for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
			if n, ok := strings.CutPrefix(lines.Text(), "made "); ok {
				told, _ = strconv.Atoi(n)
			}
		}
		f, err := Open(path, countedEpochs())
		if err != nil {
			t.Fatalf("life %d: %v", life, err)
		}
		// The step in flight was made as a whole or not at all.
		made = -1
		for n := told; n <= min(told+1, len(all)) && made < 0; n++ {
			same := true
			for _, lane := range crashLanes {
				cp, err := f.Load(t.Context(), lane, crashStart)
				if err != nil {
					t.Fatalf("life %d: %v", life, err)
				}
				same = same && checkpointtest.Diff(cp, after(all, n, lane)) == ""
			}
			if same {
				made = n
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if made < 0 {
			t.Fatalf("life %d: the child told of %d steps, the file holds neither these nor one more", life, told)
		}
	}
	if kills < 10 {
		t.Errorf("%d kills", kills)
	}
}

// TestTornTransactions makes the files that a power failure inside a transaction
// leaves: any part of its pages on disk, and the meta page last.
func TestTornTransactions(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	const page = 4096
	dir := t.TempDir()
	path := filepath.Join(dir, "checkpoint.db")
	f, err := Open(path, countedEpochs())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, lane := range crashLanes {
		if _, err := f.Load(t.Context(), lane, crashStart); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	all := script(seed, 60)
	work := filepath.Join(t.TempDir(), "checkpoint.db")
	try := func(what string, db, wit []byte, n int) {
		t.Helper()
		for name, data := range map[string][]byte{work: db, witnessPath(work): wit} {
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		g, err := Open(work)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		defer g.Close()
		for _, lane := range crashLanes {
			cp, err := g.Load(context.Background(), lane, crashStart)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if d := checkpointtest.Diff(cp, after(all, n, lane)); d != "" {
				t.Fatalf("%s: lane %s:\n%s", what, lane, d)
			}
		}
	}
	for i, st := range all {
		before, oldWitness := read(path), read(witnessPath(path))
		if err := f.Advance(t.Context(), st.Lane, st.Done, st.Next); err != nil {
			t.Fatal(err)
		}
		now, newWitness := read(path), read(witnessPath(path))
		for variant := range 3 {
			torn := append([]byte(nil), before...)
			if variant > 0 || len(now) == len(before) {
				torn = append(torn, make([]byte, len(now)-len(before))...) // grown
			}
			for at := 2 * page; at < len(torn); at += page {
				switch rng.IntN(4) {
				case 0, 1:
					copy(torn[at:at+page], now[at:at+page])
				case 2:
					half := 512 * rng.IntN(8)
					copy(torn[at:at+half], now[at:at+half])
				}
			}
			try(fmt.Sprintf("step %d, pages without meta", i), torn, oldWitness, i)
		}
		try(fmt.Sprintf("step %d, without its witness", i), now, oldWitness, i+1)
		try(fmt.Sprintf("step %d", i), now, newWitness, i+1)
	}
}
