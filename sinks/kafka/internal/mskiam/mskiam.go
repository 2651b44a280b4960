// Package mskiam is the SASL mechanism AWS_MSK_IAM of Amazon MSK.
package mskiam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/segmentio/kafka-go/sasl"
)

const (
	action  = "kafka-cluster:Connect"
	service = "kafka-cluster"
	// What is signed is good for so long; the broker asks once per connection.
	expiry = 15 * time.Minute
	// emptyHash is the SHA-256 of no body.
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// mechanism logs in with the credentials of the AWS chain.
type mechanism struct {
	load func(ctx context.Context) (aws.Config, error)
	now  func() time.Time
}

// New returns the mechanism. Credentials and region are looked up at each login, in
// the environment, the shared files, and the instance's or the pod's role.
func New() (sasl.Mechanism, error) {
	return &mechanism{load: func(ctx context.Context) (aws.Config, error) { return config.LoadDefaultConfig(ctx) }, now: time.Now}, nil
}

// Name implements [sasl.Mechanism].
func (m *mechanism) Name() string { return "AWS_MSK_IAM" }

// Start implements [sasl.Mechanism].
func (m *mechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	meta := sasl.MetadataFromContext(ctx)
	if meta == nil {
		return nil, nil, errors.New("no broker to log in to")
	}
	c, err := m.load(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("aws configuration: %w", err)
	}
	if c.Credentials == nil {
		return nil, nil, errors.New("no aws credentials")
	}
	credentials, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("aws credentials: %w", err)
	}
	region := c.Region
	if region == "" {
		region = regionOf(meta.Host)
	}
	if region == "" {
		return nil, nil, fmt.Errorf("no aws region: set AWS_REGION (broker %s does not tell)", meta.Host)
	}
	signed, err := sign(ctx, credentials, meta.Host, region, m.now())
	if err != nil {
		return nil, nil, err
	}
	first, err := json.Marshal(payload(signed, meta.Host))
	return session{}, first, err
}

var mskHost = regexp.MustCompile(`\.kafka(?:-serverless)?\.([a-z0-9-]+)\.amazonaws\.com`)

// regionOf reads the region out of a broker's name.
func regionOf(host string) string {
	if m := mskHost.FindStringSubmatch(host); m != nil {
		return m[1]
	}
	return ""
}

// sign returns the query of a signed request to connect to host.
func sign(ctx context.Context, c aws.Credentials, host, region string, now time.Time) (url.Values, error) {
	query := url.Values{"Action": {action}, "X-Amz-Expires": {fmt.Sprint(int(expiry.Seconds()))}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, (&url.URL{Scheme: "https", Host: host, Path: "/", RawQuery: query.Encode()}).String(), nil)
	if err != nil {
		return nil, err
	}
	text, _, err := v4.NewSigner().PresignHTTP(ctx, c, req, emptyHash, service, region, now.UTC())
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return u.Query(), nil
}

// payload is the first message: what was signed, with names in lower case.
func payload(signed url.Values, host string) map[string]string {
	p := map[string]string{"version": "2020_10_22", "host": host, "user-agent": "auditlog-connector"}
	for name, values := range signed {
		p[strings.ToLower(name)] = values[0]
	}
	return p
}

// session waits for the broker's only answer.
type session struct{}

// Next implements [sasl.StateMachine].
func (session) Next(_ context.Context, challenge []byte) (bool, []byte, error) {
	if len(challenge) == 0 {
		return false, nil, errors.New("the broker's answer is empty")
	}
	return true, nil, nil
}
