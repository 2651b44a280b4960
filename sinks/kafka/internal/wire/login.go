package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
	"github.com/segmentio/kafka-go/sasl"
)

// login authenticates the connection. What the broker, or the mechanism, refuses is
// an [*Error] with code SASLAuthentication or UnsupportedMechanism.
func (k *conn) login(ctx context.Context, mechanism func() (sasl.Mechanism, error)) error {
	m, err := mechanism()
	if err != nil {
		return err
	}
	what := fmt.Sprintf("login at %s by %s", k.addr, m.Name())
	fail := func(err error) error {
		var answer *Error
		switch {
		case errors.As(err, &answer):
			return err
		case ctx.Err() == nil && ended(err):
			// Older brokers, and some proxies, just hang up.
			return &Error{Code: SASLAuthentication, What: what, Message: "the broker hung up"}
		}
		return &NetError{Addr: k.addr, API: "login", Err: because(ctx, err)}
	}
	version, err := k.version((&saslhandshake.Request{}).ApiKey())
	if err != nil {
		return err
	}
	res, err := k.roundTrip(ctx, &saslhandshake.Request{Mechanism: m.Name()}, version)
	if err != nil {
		return fail(err)
	}
	hello := res.(*saslhandshake.Response)
	if err := Failure(hello.ErrorCode, what, fmt.Sprintf("the broker has %v", hello.Mechanisms)); err != nil {
		return err
	}
	host, portText, err := net.SplitHostPort(k.addr)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return fmt.Errorf("port of broker %s: %w", k.addr, err)
	}
	session, out, err := m.Start(sasl.WithMetadata(ctx, &sasl.Metadata{Host: host, Port: port}))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	authenticate := &saslauthenticate.Request{}
	if version, err = k.version(authenticate.ApiKey()); err != nil {
		return err
	}
	for done := false; !done; {
		authenticate.AuthBytes = out
		res, err := k.roundTrip(ctx, authenticate, version)
		if err != nil {
			return fail(err)
		}
		answer := res.(*saslauthenticate.Response)
		if err := Failure(answer.ErrorCode, what, answer.ErrorMessage); err != nil {
			return err
		}
		if done, out, err = session.Next(ctx, answer.AuthBytes); err != nil {
			return &Error{Code: SASLAuthentication, What: what, Message: err.Error()}
		}
	}
	return nil
}
