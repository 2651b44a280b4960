package testserver

import "syscall"

// memory returns where a file system in memory is mounted that has a gigabyte of
// room, or "".
func memory() string {
	const path = "/dev/shm"
	var fs syscall.Statfs_t
	if err := syscall.Statfs(path, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < 1<<30 || syscall.Access(path, 2) != nil {
		return ""
	}
	return path
}
