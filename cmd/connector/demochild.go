package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"syscall"

	"auditlog-connector/internal/openaisim"
)

// demoChild is an exporter in a process of its own.
type demoChild struct {
	cmd   *exec.Cmd
	log   *os.File
	ended chan struct{} // closed when it has ended and err is set
	err   error
}

// start starts this very program as "connector run".
func (d *demoRun) start() (*demoChild, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(d.path("connector.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	c := &demoChild{cmd: exec.Command(exe, "run", "--config", d.path("connector.yaml")), log: log, ended: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), "OPENAI_ADMIN_KEY="+openaisim.DefaultAdminKey, "OPENAI_BASE_URL="+d.url)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	if err := c.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start exporter: %w", err), log.Close())
	}
	go func() {
		defer close(c.ended)
		c.err = errors.Join(c.cmd.Wait(), log.Close())
		if c.err == nil {
			c.err = errors.New("exit status 0")
		}
	}()
	return c, nil
}

// kill ends the child without giving it a chance to do anything, and waits for it.
func (c *demoChild) kill() error {
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill exporter: %w", err)
	}
	<-c.ended
	return nil
}

// stop asks the child to stop, and reports if it does not end well.
func (c *demoChild) stop() error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop exporter: %w", err)
	}
	<-c.ended
	if code := c.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the exporter ended with %s after SIGTERM", c.cmd.ProcessState)
	}
	return nil
}

// held is how many events both destinations hold.
func (d *demoRun) held(ctx context.Context) (int, error) {
	n, err := d.lines.count(d.path("audit.jsonl"))
	if err != nil || n == 0 {
		return n, err
	}
	db, err := d.database()
	if err != nil {
		return 0, err
	}
	defer db.Close()
	var rows int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM audit_events").Scan(&rows); err != nil {
		// There is none yet, or it is being made.
		return 0, ctx.Err()
	}
	return min(n, rows), nil
}

// database opens the SQLite destination for reading.
func (d *demoRun) database() (*sql.DB, error) {
	path := url.URL{Scheme: "file", Path: d.path("audit.db"), RawQuery: "mode=ro&_pragma=busy_timeout(5000)"}
	return sql.Open("sqlite", path.String())
}

// lineCounter counts the lines of a file that grows, and may be cut at its end.
type lineCounter struct {
	at    int64
	lines int
}

func (l *lineCounter) count(path string) (int, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return 0, err
	} else if info.Size() < l.at {
		*l = lineCounter{}
	}
	buf := make([]byte, 1<<16)
	for {
		n, err := f.ReadAt(buf, l.at)
		l.at += int64(n)
		l.lines += bytes.Count(buf[:n], []byte{'\n'})
		if errors.Is(err, io.EOF) {
			return l.lines, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
