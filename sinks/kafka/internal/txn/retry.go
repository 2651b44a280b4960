package txn

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go/protocol"

	"auditlog-connector/sinks/kafka/internal/wire"
)

// repetition says what may be sent again.
type repetition bool

const (
	once       repetition = false // only what surely had no effect
	repeatable repetition = true  // also what was not answered
)

// Pauses before a request is made again. Most transactions of a cluster with
// replicas meet CONCURRENT_TRANSACTIONS, which is over in milliseconds.
var (
	concurrentPause = pause{time.Millisecond, 100 * time.Millisecond}
	movedPause      = pause{20 * time.Millisecond, time.Second}
)

type pause struct{ first, most time.Duration }

// coordinator asks the id's coordinator.
func (p *Producer) coordinator(ctx context.Context, req protocol.Message) (protocol.Message, error) {
	broker, err := p.cluster.Coordinator(ctx, p.id)
	if err != nil {
		return nil, err
	}
	return p.cluster.Request(ctx, broker, req)
}

// retry calls f again while what it asked for surely has not happened and may in a
// moment: the cluster is moving something. It ends with ctx at the latest, and returns
// the last answer then: why it took so long.
func (p *Producer) retry(ctx context.Context, again repetition, f func(context.Context) error) error {
	waits := map[pause]time.Duration{}
	for last := error(nil); ; {
		err := f(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil && last != nil && !errors.As(err, new(*wire.Error)):
			return last
		}
		why, ok := passing(err, again)
		if !ok || ctx.Err() != nil {
			return err
		}
		last = err
		if why == movedPause {
			p.cluster.Forget()
		}
		d := max(why.first, min(2*waits[why], why.most))
		waits[why] = d
		if sleep(ctx, d) != nil {
			return err
		}
	}
}

// passing reports whether err says that nothing has happened, and that asking again
// after a pause may help.
func passing(err error, again repetition) (pause, bool) {
	var answer *wire.Error
	if errors.As(err, &answer) {
		switch {
		case answer.Code == wire.ConcurrentTransactions:
			return concurrentPause, true
		case answer.Code == wire.NotEnoughReplicas || answer.Code.Moving():
			return movedPause, true
		}
		return pause{}, false
	}
	var net *wire.NetError
	if errors.As(err, &net) {
		return movedPause, !net.Sent || again == repeatable
	}
	return pause{}, false
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
