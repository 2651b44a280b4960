//go:build unix

package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"auditlog-connector/internal/openaisim"
)

// patience is how long any process may take; far more than one needs.
const patience = 2 * time.Minute

// process is one life of the program, or of a child that stands for it.
type process struct {
	cmd    *exec.Cmd
	out    string        // the file with all it wrote
	begun  chan struct{} // closed when it can be killed
	ended  chan struct{} // closed when it has ended
	at     hook          // nil: nothing happens at its requests
	base   int           // requests of the world before it
	killed sync.Once
}

// hook is called at each request of a process, counted from 1: before it is looked
// at, and after it was answered.
type hook func(p *process, n int, answered bool)

// start starts the program with args.
func (w *world) start(at hook, args ...string) (*process, error) {
	return w.launch(at, exec.Command(connector, args...))
}

// launch starts cmd as the world's present process.
func (w *world) launch(at hook, cmd *exec.Cmd) (*process, error) {
	w.lives++
	p := &process{cmd: cmd, at: at, base: w.sim.Stats().Requests, begun: make(chan struct{}), ended: make(chan struct{}), out: w.path(fmt.Sprintf("life-%d.log", w.lives))}
	out, err := os.Create(p.out)
	if err != nil {
		return nil, err
	}
	if cmd.Env == nil {
		cmd.Env = []string{"OPENAI_ADMIN_KEY=" + openaisim.DefaultAdminKey}
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.dir, out, out
	w.life.Store(p)
	if err := cmd.Start(); err != nil {
		w.life.Store(nil)
		return nil, errors.Join(err, out.Close())
	}
	close(p.begun)
	go func() {
		defer close(p.ended)
		defer out.Close()
		_ = cmd.Wait() // how it ended is in ProcessState
	}()
	return p, nil
}

// kill ends the process with SIGKILL and returns when it is dead.
func (p *process) kill() {
	p.killed.Do(func() { _ = p.cmd.Process.Kill() }) // it may have ended
	<-p.ended
}

// signal sends s; that the process may have ended is for wait to find out.
func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// wait waits for the process to end by itself or by the kill it was started for.
func (p *process) wait(ctx context.Context) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.ended:
		return nil
	case <-timer.C:
		p.kill()
		return fmt.Errorf("the process hangs after %s:\n%s", patience, p.tail())
	case <-ctx.Done():
		p.kill()
		return ctx.Err()
	}
}

// dead reports whether SIGKILL ended the process; if not, it has to have ended well.
func (p *process) dead() (bool, error) {
	state := p.cmd.ProcessState
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL {
		return true, nil
	}
	if !state.Success() {
		return false, fmt.Errorf("the process ended with %s:\n%s", state, p.tail())
	}
	return false, nil
}

// output is all that the process wrote.
func (p *process) output() []byte {
	text, err := os.ReadFile(p.out)
	if err != nil {
		return []byte(err.Error())
	}
	return text
}

// tail is the end of what it wrote, for messages.
func (p *process) tail() string {
	text := p.output()
	return string(text[max(0, len(text)-4000):])
}

// settled returns, by lane, how the program says it settled the batch it found in
// doubt: "resolved" or "delivered".
func (p *process) settled() (map[string]string, error) {
	how := make(map[string]string)
	for line := range bytes.Lines(p.output()) {
		var entry struct{ Msg, Lane, How string }
		if json.Unmarshal(line, &entry) != nil || entry.Msg != "batch settled" {
			continue
		}
		if how[entry.Lane] != "" {
			return nil, fmt.Errorf("lane %s says twice that a batch was in doubt:\n%s", entry.Lane, p.tail())
		}
		how[entry.Lane] = entry.How
	}
	return how, nil
}

// says reports whether the process has written a line that has all of words.
func (p *process) says(words ...string) bool {
lines:
	for line := range strings.Lines(string(p.output())) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue lines
			}
		}
		return true
	}
	return false
}
