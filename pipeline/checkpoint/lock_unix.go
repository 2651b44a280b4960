//go:build unix

package checkpoint

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// lockFile takes the lock that bbolt takes, before bbolt looks at the file. It
// returns false if another process holds it for longer than wait.
func lockFile(f *os.File, wait time.Duration) (bool, error) {
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return false, err
		}
		if time.Since(start) >= wait {
			return false, nil
		}
	}
}

// unlockFile gives the lock up. Closing the file alone does not while it is mapped.
func unlockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
