package control

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type question struct{ N int }
type answer struct{ Twice int }

var errWrong = errors.New("the question was wrong")

// serve answers at the checkpoint's socket until the test ends.
func serve(t *testing.T, checkpoint string) {
	t.Helper()
	l, err := Listen(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	m := NewMux()
	Handle(m, "double", func(err error) bool { return errors.Is(err, errWrong) }, func(_ context.Context, q question) (answer, error) {
		switch {
		case q.N < 0:
			return answer{}, errWrong
		case q.N > 100:
			return answer{}, errors.New("too much")
		}
		return answer{2 * q.N}, nil
	})
	s := &http.Server{Handler: m}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
}

func TestQuestionsAreAnswered(t *testing.T) {
	t.Chdir(t.TempDir())
	serve(t, "c.db")
	info, err := os.Stat("c.db.sock")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v, want mode 0600", info, err)
	}
	c, err := Dial(t.Context(), "c.db")
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := c.Call(t.Context(), "double", question{21}, &a); err != nil || a.Twice != 42 {
		t.Errorf("%+v, %v", a, err)
	}
	var e *Error
	if err := c.Call(t.Context(), "double", question{-1}, &a); !errors.As(err, &e) || !e.Usage || e.Message != errWrong.Error() {
		t.Errorf("wrong question: %v", err)
	}
	if err := c.Call(t.Context(), "double", question{101}, &a); !errors.As(err, &e) || e.Usage || e.Message != "too much" {
		t.Errorf("failure: %v", err)
	}
	if err := c.Call(t.Context(), "double", "text", &a); !errors.As(err, &e) || !e.Usage {
		t.Errorf("another type: %v", err)
	}
	if err := c.Call(t.Context(), "treble", question{1}, &a); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Errorf("unknown question: %v", err)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := Dial(t.Context(), "c.db"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("no socket: %v", err)
	}
	if _, err := Dial(t.Context(), "missing/c.db"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("no folder: %v", err)
	}
}

// leave leaves the socket of a process that died.
func leave(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestASocketThatWasLeftIsReplaced(t *testing.T) {
	t.Chdir(t.TempDir())
	leave(t, "c.db.sock")
	if _, err := Dial(t.Context(), "c.db"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a dead socket: %v", err)
	}
	serve(t, "c.db")
	if _, err := Dial(t.Context(), "c.db"); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoSocketStays(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("c.db.sock", []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Listen("c.db"); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("%v, %v", l, err)
	}
	if got, err := os.ReadFile("c.db.sock"); err != nil || string(got) != "precious" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestPathsThatAreTooLong(t *testing.T) {
	t.Chdir(t.TempDir())
	deep := strings.Repeat("a-folder-with-a-name/", 6)
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range []func() error{
		func() error { _, err := Listen(filepath.Join(deep, "c.db")); return err },
		func() error { _, err := Dial(t.Context(), filepath.Join(deep, "c.db")); return err },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), "set checkpoint.path to a shorter one") {
			t.Errorf("%v, want a hint", err)
		}
	}
	// The same place from its own folder, although the path from the root is too long.
	t.Chdir(deep)
	abs, err := filepath.Abs("c.db")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, abs)
	if _, err := Dial(t.Context(), abs); err != nil {
		t.Error(err)
	}
}

func TestClosingRemovesTheSocket(t *testing.T) {
	t.Chdir(t.TempDir())
	l, err := Listen("c.db")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("c.db.sock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestThePeerIsKnownWhereTheSystemTells(t *testing.T) {
	t.Chdir(t.TempDir())
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: "s", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	accepted, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	if uid, known, err := peer(accepted); err != nil || known && uid != os.Geteuid() {
		t.Errorf("uid %d, known %v, %v", uid, known, err)
	}
}
