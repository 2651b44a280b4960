package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
)

const (
	connectTimeout = 5 * time.Second // name, TCP, TLS, versions and login together
	maxAnswer      = 64 << 20
	maxThrottle    = time.Minute
)

// conn is a connection to one broker, for one request at a time.
type conn struct {
	net      net.Conn
	addr     string
	clientID string
	versions Versions
	id       int32     // of the last request
	answered bool      // the broker answered a request after the connection was set up
	used     time.Time // last
	pause    time.Time // the broker asked to be left alone until then
	scratch  bytes.Buffer
}

// Versions are the APIs that a broker has, with their newest version.
type Versions map[protocol.ApiKey]int16

// connect opens a connection, learns what the broker can, and logs in.
func (c Config) connect(ctx context.Context, addr string) (*conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectTimeout, fmt.Errorf("no connection within %s", connectTimeout))
	defer cancel()
	fail := func(step string, err error, hint string) error {
		return &NetError{Addr: addr, API: step, Err: because(ctx, err), Hint: hint}
	}
	dial := c.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	nc, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, fail("connect", err, "")
	}
	k := &conn{net: nc, addr: addr, clientID: c.ClientID, used: time.Now()}
	ok := false
	defer func() {
		if !ok {
			k.close()
		}
	}()
	if c.TLS != nil {
		if err := k.startTLS(ctx, c.TLS); err != nil {
			return nil, fail("tls handshake", err, tlsHint(err))
		}
	}
	if err := k.negotiate(ctx); err != nil {
		var answer *Error
		if errors.As(err, &answer) {
			return nil, err
		}
		hint := ""
		if ended(err) {
			hint = "is this a port for TLS, or no Kafka broker at all?"
		}
		return nil, fail("ask for versions", err, hint)
	}
	if c.Login != nil {
		if err := k.login(ctx, c.Login); err != nil {
			return nil, err
		}
	}
	ok = true
	return k, nil
}

func (k *conn) startTLS(ctx context.Context, config *tls.Config) error {
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(k.addr)
		if err != nil {
			return err
		}
		config = config.Clone()
		config.ServerName = host
	}
	t := tls.Client(k.net, config)
	k.net = t
	return t.HandshakeContext(ctx)
}

func tlsHint(err error) string {
	if ended(err) || strings.Contains(err.Error(), "does not look like a TLS handshake") {
		return "is this a port without TLS?"
	}
	return ""
}

// ended reports whether err is the end of the connection by the other side.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "reset by peer")
}

// negotiate learns which versions the broker has.
func (k *conn) negotiate(ctx context.Context) error {
	res, err := k.roundTrip(ctx, new(apiversions.Request), 0)
	if err != nil {
		return err
	}
	answer := res.(*apiversions.Response)
	if err := Failure(answer.ErrorCode, "versions", ""); err != nil {
		return err
	}
	k.versions = make(Versions, len(answer.ApiKeys))
	for _, a := range answer.ApiKeys {
		key := protocol.ApiKey(a.ApiKey)
		// A version that we have and the broker gave up is as good as none.
		if key.MaxVersion() >= a.MinVersion || a.MinVersion == 0 {
			k.versions[key] = a.MaxVersion
		}
	}
	return nil
}

// version is the newest version of an API that both sides have.
func (k *conn) version(key protocol.ApiKey) (int16, error) {
	broker, ok := k.versions[key]
	if v := min(broker, key.MaxVersion()); ok && v >= key.MinVersion() {
		return v, nil
	}
	return 0, &Error{Code: UnsupportedVersion, What: fmt.Sprintf("broker %s: %s", k.addr, key), Message: "the broker has no version of it that we have"}
}

// roundTrip sends req and reads the answer. After an error that is not an [*Error]
// the connection is of no use any more.
func (k *conn) roundTrip(ctx context.Context, req protocol.Message, version int16) (protocol.Message, error) {
	body, err := k.exchange(ctx, k.message(req, version))
	if err != nil {
		return nil, err
	}
	_, res, err := protocol.ReadResponse(bytes.NewReader(body), req.ApiKey(), version)
	return res, err
}

// message writes req as kafka-go does it.
func (k *conn) message(req protocol.Message, version int16) func(id int32) error {
	return func(id int32) error { return protocol.WriteRequest(k.net, version, id, k.clientID, req) }
}

// exchange sends the request that write writes and returns the answer, its size in
// front. The bytes are valid until the next exchange.
func (k *conn) exchange(ctx context.Context, write func(id int32) error) (answer []byte, err error) {
	deadline, _ := ctx.Deadline() // none: the zero time, which is no deadline either
	if err := k.net.SetDeadline(deadline); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = k.net.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	k.id++
	if err := write(k.id); err != nil {
		return nil, err
	}
	k.scratch.Reset()
	if _, err := io.CopyN(&k.scratch, k.net, 4); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(k.scratch.Bytes())
	if size < 4 || size > maxAnswer {
		return nil, fmt.Errorf("an answer of %d bytes: this is no Kafka broker, or a port for TLS: %w", size, io.ErrUnexpectedEOF)
	}
	if _, err := io.CopyN(&k.scratch, k.net, int64(size)); err != nil {
		return nil, err
	}
	answer = k.scratch.Bytes()
	if id := int32(binary.BigEndian.Uint32(answer[4:])); id != k.id {
		return nil, fmt.Errorf("an answer to request %d, want %d", id, k.id)
	}
	return answer, nil
}

// rest waits as long as the broker asked for.
func (k *conn) rest(ctx context.Context) error {
	d := time.Until(k.pause)
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (k *conn) close() { _ = k.net.Close() }

// because puts the reason why ctx ended in front of the error that came of it.
func because(ctx context.Context, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		<-ctx.Done() // a connection has no deadline but ctx's, and may be a moment early
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}
