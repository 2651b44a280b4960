package pipeline

import "context"

// steps is what a lane's walk is read from: a walk of its own, or a seat at a shared one.
type steps interface {
	step(ctx context.Context) (step, error)
	close()
}

// walking is a walk under way, with the goroutine that reads it.
type walking struct {
	steps chan walked
	ended chan struct{}
}

type walked struct {
	step step
	err  error
}

// startWalk reads w until its last step was received or ctx is done.
func startWalk(ctx context.Context, w steps) *walking {
	run := &walking{steps: make(chan walked), ended: make(chan struct{})}
	go func() {
		defer close(run.ended)
		defer w.close()
		for {
			st, err := w.step(ctx)
			select {
			case run.steps <- walked{st, err}:
			case <-ctx.Done():
				return
			}
			if err != nil || st.last {
				return
			}
		}
	}()
	return run
}
