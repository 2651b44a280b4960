//go:build linux || darwin

package main

import "syscall"

// diskSpace returns the bytes that are free to this process on the file system of
// dir, and that it has in all.
func diskSpace(dir string) (free, size float64, ok bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, 0, false
	}
	block := float64(st.Bsize)
	return float64(st.Bavail) * block, float64(st.Blocks) * block, true
}
