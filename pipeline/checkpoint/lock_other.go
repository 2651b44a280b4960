//go:build !unix

package checkpoint

import (
	"os"
	"time"
)

// lockFile leaves the lock to bbolt.
func lockFile(*os.File, time.Duration) (bool, error) { return true, nil }

func unlockFile(*os.File) error { return nil }
