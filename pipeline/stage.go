package pipeline

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Stage moves values from in to out until in is closed or ctx is done. It does
// not close out: the pipeline does, when the stage returns.
type Stage[In, Out any] func(ctx context.Context, in <-chan In, out chan<- Out) error

// chunk is what moves between stages: entries of one stream, ascending, shared and
// never mutated. A claim says that a deep walk that began then is complete: all
// its news went before.
type chunk[T any] struct {
	stream  string
	entries []T
	claim   time.Time
}

// chunkLen is the most entries one chunk holds.
const chunkLen = 1000

// spawn runs stage in g and returns its output, which holds up to size values. It
// is the only place that closes a stage's channel.
func spawn[In, Out any](ctx context.Context, g *errgroup.Group, stage Stage[In, Out], in <-chan In, size int) <-chan Out {
	out := make(chan Out, size)
	g.Go(func() error {
		defer close(out)
		return stage(ctx, in, out)
	})
	return out
}

// mapped is a stage that applies f to every chunk.
func mapped[In, Out any](f func(In) Out) Stage[In, Out] {
	return func(ctx context.Context, in <-chan In, out chan<- Out) error {
		for v := range in {
			select {
			case out <- f(v):
			case <-ctx.Done():
				return nil
			}
		}
		return nil
	}
}
