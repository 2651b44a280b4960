//go:build !linux

package control

import "net"

// peer does not know the user at the other end: the socket's mode has to do.
func peer(*net.UnixConn) (uid int, known bool, err error) { return 0, false, nil }
