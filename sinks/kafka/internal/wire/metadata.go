package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/findcoordinator"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// metadataAge is how long a topic's leaders are believed: a topic that got more
// partitions is noticed after it.
const metadataAge = time.Minute

// ask asks any broker what every broker knows, and the next one if it does not answer.
func (c *Cluster) ask(ctx context.Context, req protocol.Message) (res protocol.Message, err error) {
	for range len(c.entrances()) {
		if res, err = c.Request(ctx, anybody, req); err == nil || ctx.Err() != nil || !errors.As(err, new(*NetError)) {
			return res, err
		}
	}
	return nil, err
}

// Topic returns where a topic's partitions are: what is known if it is fresh, else
// what a broker says. A topic that does not exist is an [*Error].
func (c *Cluster) Topic(ctx context.Context, name string) (Topic, error) {
	c.mu.Lock()
	t, known := c.topics[name]
	c.mu.Unlock()
	if known && time.Since(t.asked) < metadataAge {
		return t, nil
	}
	res, err := c.ask(ctx, &metadata.Request{TopicNames: []string{name}})
	if err != nil {
		return Topic{}, err
	}
	answer := res.(*metadata.Response)
	c.learn(answer)
	if len(answer.Topics) != 1 || answer.Topics[0].Name != name {
		return Topic{}, fmt.Errorf("metadata of topic %s: the answer is about %d others", name, len(answer.Topics))
	}
	found := answer.Topics[0]
	if err := Failure(found.ErrorCode, "topic "+name, ""); err != nil {
		return Topic{}, err
	}
	t = Topic{Name: name, Leaders: make([]int32, len(found.Partitions)), asked: time.Now()}
	for _, p := range found.Partitions {
		if p.PartitionIndex < 0 || int(p.PartitionIndex) >= len(t.Leaders) {
			return Topic{}, fmt.Errorf("metadata of topic %s: partition %d of %d", name, p.PartitionIndex, len(t.Leaders))
		}
		t.Leaders[p.PartitionIndex] = p.LeaderID
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.topics[name] = t
	return t, nil
}

// learn takes note of which brokers there are.
func (c *Cluster) learn(answer *metadata.Response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.brokers)
	for _, b := range answer.Brokers {
		c.brokers[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	c.controller = answer.ControllerID
}

// Forget forgets where partitions and coordinators are: somebody answered that they
// are elsewhere, or did not answer.
func (c *Cluster) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.topics)
	clear(c.coordinators)
}

// patiencePause is between two calls by [Cluster.Patiently].
const patiencePause = 50 * time.Millisecond

// Patiently calls f until it does not fail because the cluster is moving something
// (see [Code.Moving]), for d at most, and returns f's last error. Where things are is
// asked again each time.
func (c *Cluster) Patiently(ctx context.Context, d time.Duration, f func(context.Context) error) error {
	for end := time.Now().Add(d); ; {
		err := f(ctx)
		var answer *Error
		if !errors.As(err, &answer) || !answer.Code.Moving() || time.Now().After(end) {
			return err
		}
		c.Forget()
		t := time.NewTimer(patiencePause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return err
		}
	}
}

// Coordinator returns the broker that coordinates a transactional id.
func (c *Cluster) Coordinator(ctx context.Context, id string) (int32, error) {
	c.mu.Lock()
	broker, known := c.coordinators[id]
	c.mu.Unlock()
	if known {
		return broker, nil
	}
	res, err := c.ask(ctx, &findcoordinator.Request{Key: id, KeyType: 1})
	if err != nil {
		return 0, err
	}
	answer := res.(*findcoordinator.Response)
	if err := Failure(answer.ErrorCode, "transactional id "+id, answer.ErrorMessage); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.coordinators[id] = answer.NodeID
	c.brokers[answer.NodeID] = net.JoinHostPort(answer.Host, strconv.Itoa(int(answer.Port)))
	return answer.NodeID, nil
}

// Versions returns what the broker that is asked first can do.
func (c *Cluster) Versions(ctx context.Context) (Versions, error) {
	n := c.node(anybody)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := c.connected(ctx, n, anybody); err != nil {
		return nil, err
	}
	return n.conn.versions, nil
}
