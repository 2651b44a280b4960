package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// maxPath is how long the path of a socket may be everywhere: its address has room
// for 104 bytes on some systems and 108 on others, with a zero at the end.
const maxPath = 103

// SocketPath returns the path of the socket that belongs to a checkpoint.
func SocketPath(checkpoint string) string { return checkpoint + ".sock" }

// address returns what to give to the system for path: path itself, or, if that is
// too long, the same place from the working directory.
func address(path string) (string, error) {
	if len(path) <= maxPath {
		return path, nil
	}
	if wd, err := os.Getwd(); err == nil {
		if abs, err := filepath.Abs(path); err == nil {
			if rel, err := filepath.Rel(wd, abs); err == nil && len(rel) <= maxPath {
				return rel, nil
			}
		}
	}
	return "", fmt.Errorf("socket %s: its path has %d bytes, and a socket's at most %d: start the connector in the checkpoint's folder, "+
		"or set checkpoint.path to a shorter one", path, len(path), maxPath)
}

// Listen opens the socket of a checkpoint, which the caller has locked, and
// replaces one that was left behind. Connections of other users are closed at
// once. Closing the listener removes the socket.
func Listen(checkpoint string) (net.Listener, error) {
	path, err := address(SocketPath(checkpoint))
	if err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("socket %s: %w", path, err), l.Close())
	}
	return &listener{l.(*net.UnixListener)}, nil
}

// removeStale removes the socket at path, and nothing that is none.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("socket %s: %w", path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("socket %s: there is something that is not a socket; move it away", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("socket %s: remove the one that was left: %w", path, err)
	}
	return nil
}

// listener accepts connections of our own user and of root.
type listener struct{ *net.UnixListener }

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if uid, known, err := peer(c); err == nil && (!known || uid == 0 || uid == os.Geteuid()) {
			return c, nil
		}
		_ = c.Close()
	}
}
