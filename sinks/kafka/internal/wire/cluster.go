package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/addpartitionstotxn"
	"github.com/segmentio/kafka-go/protocol/endtxn"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/sasl"
)

// RequestTimeout is how long a broker may take to answer.
const RequestTimeout = 15 * time.Second

// idleTime is how long a connection may be unused and is still believed in: brokers,
// and what is between, hang up on idle ones after some minutes.
const idleTime = 4 * time.Minute

// Config says where a cluster is and how it is spoken to.
type Config struct {
	Brokers  []string // host:port; any of them is asked first
	ClientID string
	TLS      *tls.Config // nil: plain text

	// Login returns how to log in; it is called for each connection, so that
	// passwords rotate. Nil: there is no login.
	Login func() (sasl.Mechanism, error)

	// Dial opens connections; nil: the network. Tests inject it.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// anybody stands for the broker that is asked what any broker knows.
const anybody int32 = -1

// Cluster is a Kafka cluster as a client sees it. Requests to different brokers may
// be made concurrently; those to one broker wait for one another. Nothing is
// contacted before the first request, and Close hangs up.
type Cluster struct {
	config Config

	mu           sync.Mutex
	nodes        map[int32]*node
	brokers      map[int32]string // addresses, of the last metadata
	controller   int32            // likewise
	topics       map[string]Topic
	coordinators map[string]int32 // by transactional id
}

// node is one broker's connection.
type node struct {
	mu   sync.Mutex
	conn *conn // nil: not connected
}

// Topic is what the cluster says of a topic.
type Topic struct {
	Name    string
	Leaders []int32 // by partition; -1: there is none now
	asked   time.Time
}

// New returns a cluster that is not contacted yet.
func New(c Config) *Cluster {
	return &Cluster{
		config: c, controller: anybody, nodes: make(map[int32]*node), brokers: make(map[int32]string),
		topics: make(map[string]Topic), coordinators: make(map[string]int32),
	}
}

// Close hangs up. Requests under way fail.
func (c *Cluster) Close() {
	c.mu.Lock()
	nodes := slices.Collect(maps.Values(c.nodes))
	c.mu.Unlock()
	for _, n := range nodes {
		n.mu.Lock()
		n.hangUp()
		n.mu.Unlock()
	}
}

func (n *node) hangUp() {
	if n.conn != nil {
		n.conn.close()
		n.conn = nil
	}
}

func (c *Cluster) node(id int32) *node {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.nodes[id]
	if n == nil {
		n = new(node)
		c.nodes[id] = n
	}
	return n
}

// Request asks one broker. It returns a [*NetError] if there is no answer, and a
// [*Error] if the broker has no such request or refuses the login; what the answer
// itself says is for the caller to look at. A broker that asks to be left alone for
// a while is, before the next request.
func (c *Cluster) Request(ctx context.Context, broker int32, req protocol.Message) (protocol.Message, error) {
	var res protocol.Message
	err := c.with(ctx, broker, req.ApiKey(), func(ctx context.Context, k *conn, version int16) (err error) {
		if res, err = k.roundTrip(ctx, req, version); err == nil {
			k.pause = time.Now().Add(min(throttle(res), maxThrottle))
		}
		return err
	})
	return res, err
}

// with runs f on a broker's connection, which is hung up if f fails.
func (c *Cluster) with(ctx context.Context, broker int32, key protocol.ApiKey, f func(context.Context, *conn, int16) error) error {
	n := c.node(broker)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := c.connected(ctx, n, broker); err != nil {
		return err
	}
	version, err := n.conn.version(key)
	if err != nil {
		return err
	}
	if err := n.conn.rest(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, RequestTimeout, fmt.Errorf("no answer within %s", RequestTimeout))
	defer cancel()
	if err := f(ctx, n.conn, version); err != nil {
		if errors.As(err, new(*Error)) {
			return err
		}
		hint := ""
		if !n.conn.answered && ctx.Err() == nil && ended(err) && c.config.Login == nil {
			hint = "the broker hung up on the first request: does it want a login (sasl)?"
		}
		n.hangUp()
		return &NetError{Addr: c.address(broker), API: key.String(), Sent: true, Err: because(ctx, err), Hint: hint}
	}
	n.conn.answered, n.conn.used = true, time.Now()
	return nil
}

// connected makes sure that n, which is locked, is connected to where the broker is now.
func (c *Cluster) connected(ctx context.Context, n *node, broker int32) error {
	if n.conn != nil && time.Since(n.conn.used) > idleTime {
		n.hangUp()
	}
	if broker != anybody {
		addr := c.address(broker)
		if addr == "" {
			return &NetError{Addr: strconv.Itoa(int(broker)), API: "connect", Err: errors.New("the cluster does not know this broker any more")}
		}
		if n.conn != nil && n.conn.addr != addr {
			n.hangUp()
		}
		if n.conn != nil {
			return nil
		}
		conn, err := c.config.connect(ctx, addr)
		n.conn = conn
		return err
	}
	if n.conn != nil {
		return nil
	}
	var errs []error
	for _, addr := range c.entrances() {
		conn, err := c.config.connect(ctx, addr)
		if err == nil {
			n.conn = conn
			return nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil || errors.As(err, new(*Error)) {
			break
		}
	}
	return errors.Join(errs...)
}

func (c *Cluster) address(broker int32) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.brokers[broker]
}

// entrances are the addresses at which somebody may know the cluster: the
// configured ones, and those it once had.
func (c *Cluster) entrances() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	addrs := slices.Clone(c.config.Brokers)
	for _, id := range slices.Sorted(maps.Keys(c.brokers)) {
		if !slices.Contains(addrs, c.brokers[id]) {
			addrs = append(addrs, c.brokers[id])
		}
	}
	return addrs
}

// throttle is how long the broker wants to be left alone.
func throttle(res protocol.Message) time.Duration {
	var ms int32
	switch r := res.(type) {
	case *produce.Response:
		ms = r.ThrottleTimeMs
	case *addpartitionstotxn.Response:
		ms = r.ThrottleTimeMs
	case *endtxn.Response:
		ms = r.ThrottleTimeMs
	case *initproducerid.Response:
		ms = r.ThrottleTimeMs
	}
	return time.Duration(ms) * time.Millisecond
}
