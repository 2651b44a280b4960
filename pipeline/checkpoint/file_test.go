package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"auditlog-connector/internal/durable"
	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint/checkpointtest"
)

func openFile(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func manifest(cp pipeline.Checkpoint, seq uint64, ids ...string) *pipeline.Manifest {
	m := &pipeline.Manifest{ID: pipeline.BatchID{Lane: "acme/a", Epoch: cp.Epoch, Seq: seq},
		Watermarks: map[string]time.Time{"organization": crashStart}, Floors: map[string]time.Time{"organization": crashStart}}
	for _, id := range ids {
		m.Members = append(m.Members, pipeline.Position{Time: crashStart, ID: id})
	}
	return m
}

func loadA(t *testing.T, f *File) pipeline.Checkpoint {
	t.Helper()
	cp, err := f.Load(t.Context(), "acme/a", crashStart)
	if err != nil {
		t.Fatal(err)
	}
	return cp
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "data")
	f := openFile(t, filepath.Join(dir, "checkpoint.db"))
	loadA(t, f)
	for name, want := range map[string]fs.FileMode{dir: 0o700, f.path: 0o600, witnessPath(f.path): 0o600} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v %v, want %v", name, info.Mode().Perm(), err, want)
		}
	}
}

func TestHundredThousandSeenEventsStaySmall(t *testing.T) {
	const n = 100_000
	path := filepath.Join(t.TempDir(), "checkpoint.db")
	f := openFile(t, path)
	cp := loadA(t, f)
	// 100,000 synced transactions would take minutes. The steps are the same ones,
	// several to a transaction that is not synced.
	f.db.NoSync, f.db.NoGrowSync = true, true
	l, seq := f.lanes["acme/a"], cp.Next
	for i := 0; i <= n; {
		err := f.db.Update(func(tx *bolt.Tx) error {
			for range 20 {
				var next *pipeline.Manifest
				if i < n {
					next = manifest(cp, seq, fmt.Sprintf("audit_log-%024d", i))
					next.Members[0].Time = crashStart.Add(time.Duration(i/2) * time.Second)
				}
				s, err := plan("acme/a", &l.header, &l.index, i > 0, next)
				if err == nil {
					err = s.write(tx, "acme/a")
				}
				if err != nil || i == n {
					l.header = s.header
					i++
					return err
				}
				l.header = s.header
				l.index.apply(s)
				seq, i = seq+1, i+1
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	f.witness["acme/a"] = f.lanes["acme/a"].header.generation
	if err := durable.Replace(witnessPath(path), f.witness.encode(), nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Size(); got >= 10<<20 {
		t.Errorf("the file has %d bytes", got)
	}
	f = openFile(t, path)
	var before, with runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cp = loadA(t, f)
	runtime.GC()
	runtime.ReadMemStats(&with)
	if got := int64(with.HeapAlloc) - int64(before.HeapAlloc); got >= 20<<20 {
		t.Errorf("a loaded checkpoint takes %d bytes", got)
	}
	if len(cp.Delivered) != n {
		t.Errorf("%d delivered", len(cp.Delivered))
	}
	t.Logf("file %d bytes, memory %d bytes", info.Size(), int64(with.HeapAlloc)-int64(before.HeapAlloc))
	m := manifest(cp, cp.Next, "last")
	m.Floors["organization"] = crashStart.Add(time.Hour * 24 * 365)
	for _, step := range []*pipeline.Manifest{m, nil} {
		if err := f.Advance(t.Context(), "acme/a", step == nil, step); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(f.lanes["acme/a"].index.blocks); got != 0 {
		t.Errorf("%d blocks are kept below the floor", got)
	}
}

func TestFullDiskIsAnErrorAndTheStepCanBeMadeLater(t *testing.T) {
	f := openFile(t, filepath.Join(t.TempDir(), "checkpoint.db"))
	cp := loadA(t, f)
	f.db.MaxSize = 1
	big := manifest(cp, cp.Next, strings.Repeat("x", 200_000))
	if err := f.Advance(t.Context(), "acme/a", false, big); err == nil || !strings.Contains(err.Error(), f.path) {
		t.Fatalf("no room: %v, want an error that names the file", err)
	}
	f.db.MaxSize = 0
	if err := f.Advance(t.Context(), "acme/a", false, big); err != nil {
		t.Fatal(err)
	}
	if got := loadA(t, f).Prepared; got == nil || got.ID != big.ID {
		t.Errorf("prepared %v", got)
	}
}

func TestStepIsCompletedWhenOnlyItsWitnessFailed(t *testing.T) {
	f := openFile(t, filepath.Join(t.TempDir(), "checkpoint.db"))
	cp := loadA(t, f)
	obstacle := witnessPath(f.path) + ".tmp"
	if err := os.Mkdir(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	m := manifest(cp, cp.Next, "a")
	for range 2 {
		if err := f.Advance(t.Context(), "acme/a", false, m); err == nil || !strings.Contains(err.Error(), f.path) {
			t.Fatalf("without a witness: %v", err)
		}
	}
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	if err := f.Advance(t.Context(), "acme/a", false, m); err != nil {
		t.Errorf("made again: %v", err)
	}
	if err := f.Advance(t.Context(), "acme/a", false, m); err == nil {
		t.Error("a third time: accepted")
	}
	if err := f.Advance(t.Context(), "acme/a", true, nil); err != nil {
		t.Error(err)
	}
	_ = f.Close()
	if got := loadA(t, openFile(t, f.path)); len(got.Delivered) != 1 {
		t.Errorf("delivered %v", got.Delivered)
	}
}

func TestPageFaultIsAnError(t *testing.T) {
	f := openFile(t, filepath.Join(t.TempDir(), "checkpoint.db"))
	cp := loadA(t, f)
	if err := os.Truncate(f.path, 4096); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"load":    func() error { _, err := f.Load(t.Context(), "acme/a", crashStart); return err }(),
		"advance": f.Advance(t.Context(), "acme/a", false, manifest(cp, cp.Next, "a")),
		"again":   f.Advance(t.Context(), "acme/a", false, manifest(cp, cp.Next, "a")),
	} {
		if !errors.Is(err, pipeline.ErrCorrupt) || !strings.Contains(err.Error(), f.path) {
			t.Errorf("%s: %v, want ErrCorrupt with the path", what, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if _, err := Open(f.path); !errors.Is(err, pipeline.ErrCorrupt) {
		t.Errorf("open: %v, want ErrCorrupt, and not a lock", err)
	}
}

func TestNewerVersionIsToldFromDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint.db")
	f := openFile(t, path)
	loadA(t, f)
	err := f.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("acme/a"))
		v := append([]byte(nil), b.Get(headerKey)...)
		v[0] = formatVersion + 1
		return b.Put(headerKey, seal(v[:len(v)-4], "acme/a", headerKey))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = f.Load(t.Context(), "acme/a", crashStart); err == nil || errors.Is(err, pipeline.ErrCorrupt) ||
		!strings.Contains(err.Error(), "newer version") || !strings.Contains(err.Error(), path) {
		t.Errorf("header of a newer version: %v", err)
	}
	_ = f.Close()
	if err := os.WriteFile(witnessPath(path), witnessOf(fmt.Sprint(witnessTitle, formatVersion+1, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || errors.Is(err, pipeline.ErrCorrupt) || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("witness of a newer version: %v", err)
	}
}

func witnessOf(body string) []byte {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc([]byte(body)))
	return fmt.Appendf([]byte(body), "%x\n", sum)
}

func TestInterruptedFirstStartIsMadeAgain(t *testing.T) {
	torn := binary.NativeEndian.AppendUint16(make([]byte, 8), 4) // the header of page 0, a meta page
	for _, content := range [][]byte{nil, torn, make([]byte, 4*os.Getpagesize())} {
		path := filepath.Join(t.TempDir(), "checkpoint.db")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		loadA(t, openFile(t, path))
	}
}

func TestWhatCannotBeOpenedIsNamed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(file, "checkpoint.db")} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want an error that names it", path, err)
		}
	}
	f := openFile(t, filepath.Join(dir, "checkpoint.db"))
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
	if _, err := f.Load(t.Context(), "acme/a", crashStart); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("load after close: %v", err)
	}
}

func TestOperatorSeesAndSettlesLanes(t *testing.T) {
	type store interface {
		pipeline.Store
		Lanes() ([]string, error)
		Inspect(lane string) (pipeline.Checkpoint, error)
		Reset(lane string, start time.Time, takeover bool) error
		Resolve(lane string, committed bool) error
	}
	for name, s := range map[string]store{"file": openFile(t, filepath.Join(t.TempDir(), "checkpoint.db")), "memory": NewMemory()} {
		t.Run(name, func(t *testing.T) {
			ctx, lane := t.Context(), "acme/a"
			if _, err := s.Inspect(lane); !errors.Is(err, ErrNoLane) {
				t.Errorf("inspect: %v, want ErrNoLane", err)
			}
			if err := s.Resolve(lane, true); !errors.Is(err, ErrNoLane) {
				t.Errorf("resolve: %v, want ErrNoLane", err)
			}
			cp, err := s.Load(ctx, lane, crashStart)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Resolve(lane, true); err == nil {
				t.Error("resolved with nothing prepared")
			}
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(s.Advance(ctx, lane, false, manifest(cp, 1, "dropped")))
			must(s.Resolve(lane, false))
			must(s.Advance(ctx, lane, false, manifest(cp, 2, "kept")))
			must(s.Resolve(lane, true))
			got, err := s.Inspect(lane)
			must(err)
			if len(got.Delivered) != 1 || got.Delivered[0].ID != "kept" || got.Next != 3 || got.Prepared != nil {
				t.Errorf("after two resolutions: %+v", got)
			}
			must(s.Reset(lane, crashStart.AddDate(0, 1, 0), true))
			got, err = s.Load(ctx, lane, time.Time{})
			must(err)
			if got.Epoch == cp.Epoch || !got.Takeover || got.Next != 1 || len(got.Delivered) != 0 || !got.Start.Equal(crashStart.AddDate(0, 1, 0)) {
				t.Errorf("after a reset: %+v", got)
			}
			must(s.Advance(ctx, lane, false, nil))
			if got, err = s.Load(ctx, lane, time.Time{}); err != nil || got.Takeover {
				t.Errorf("takeover is kept: %v %v", got.Takeover, err)
			}
			if lanes, err := s.Lanes(); err != nil || strings.Join(lanes, " ") != lane {
				t.Errorf("lanes %v %v", lanes, err)
			}
		})
	}
}

func TestResetMakesADamagedLaneUsable(t *testing.T) {
	f := openFile(t, filepath.Join(t.TempDir(), "checkpoint.db"))
	loadA(t, f)
	if err := f.db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("acme/a")).Put(headerKey, []byte("junk")) }); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(t.Context(), "acme/a", crashStart); !errors.Is(err, pipeline.ErrCorrupt) || !strings.Contains(err.Error(), "checkpoint reset") {
		t.Errorf("load: %v, want ErrCorrupt with a hint", err)
	}
	if err := f.Reset("acme/a", crashStart, true); err != nil {
		t.Fatal(err)
	}
	cp := loadA(t, f)
	if err := f.Advance(t.Context(), "acme/a", false, manifest(cp, 1, "a")); err != nil {
		t.Error(err)
	}
}

func TestMemoryIsRestoredFromASnapshot(t *testing.T) {
	m := NewMemory()
	cp, err := m.Load(t.Context(), "acme/a", crashStart)
	if err != nil {
		t.Fatal(err)
	}
	step := func(done bool, next *pipeline.Manifest) {
		t.Helper()
		if err := m.Advance(t.Context(), "acme/a", done, next); err != nil {
			t.Fatal(err)
		}
	}
	step(false, manifest(cp, 1, "a"))
	backup := m.Snapshot()
	want, _ := backup.Inspect("acme/a")
	step(true, manifest(cp, 2, "b"))
	step(true, nil)
	m.Restore(backup)
	for range 2 {
		got, _ := m.Inspect("acme/a")
		if d := checkpointtest.Diff(got, want); d != "" {
			t.Error(d)
		}
		step(true, nil)
		m.Restore(backup)
	}
}

func TestForeignFileIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "connector.yaml")
	want := []byte("sources:\n  - name: acme\n")
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err == nil {
		f.Close()
		t.Fatal("a file that is no checkpoint was opened as one")
	}
	if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "not a checkpoint") {
		t.Errorf("got %v, want an error that names the file and says that it is no checkpoint", err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file was changed to %q, %v", got, err)
	}
}
