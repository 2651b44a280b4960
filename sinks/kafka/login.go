package kafka

import (
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"auditlog-connector/sinks/kafka/internal/mskiam"
)

// login returns how to log in, nil for not at all. The password is read anew each
// time, so that it can be changed on disk.
func (c *SASL) login() func() (sasl.Mechanism, error) {
	switch c.Mechanism {
	case "":
		return nil
	case "aws-msk-iam":
		return mskiam.New
	}
	return func() (sasl.Mechanism, error) {
		password, err := c.Password.Reveal()
		if err != nil {
			return nil, err
		}
		switch c.Mechanism {
		case "scram-sha-256":
			return scram.Mechanism(scram.SHA256, c.Username, password)
		case "scram-sha-512":
			return scram.Mechanism(scram.SHA512, c.Username, password)
		}
		return plain.Mechanism{Username: c.Username, Password: password}, nil
	}
}
