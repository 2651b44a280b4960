package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"auditlog-connector/pipeline"
)

// connection is a client with what it was made of.
type connection struct {
	*s3.Client
	http        *http.Client
	credentials aws.CredentialsProvider
	region      string
	endpoint    string // empty: AWS's own
}

func (c *connection) close() { c.http.CloseIdleConnections() }

// connect reads the AWS environment and its files and makes a client. It contacts
// nobody: credentials are fetched by the first request.
func connect(ctx context.Context, c *Config, lane string, transport http.RoundTripper) (*connection, error) {
	tls, err := c.TLS.Config()
	if err != nil {
		return nil, pipeline.Permanent(err)
	}
	buildable := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.TLSClientConfig = tls })
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(buildable),
		// Retries are the pipeline's (architecture, section 6): a second layer would
		// hide the moment of doubt.
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
		config.WithLogger(logging.Nop{}),
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
		config.WithAppID("auditlog-connector"),
	}
	if c.Region != "" {
		options = append(options, config.WithRegion(c.Region))
	}
	if c.DualStack {
		options = append(options, config.WithUseDualStackEndpoint(aws.DualStackEndpointStateEnabled))
	}
	if c.FIPS {
		options = append(options, config.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, pipeline.Permanent(fmt.Errorf("read the AWS configuration: %w", err))
	}
	conn := &connection{http: &http.Client{
		Transport: transport,
		// A redirect could carry the events elsewhere; it is an answer like any other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if transport == nil {
		// The environment may have added authorities to trust (AWS_CA_BUNDLE).
		if b, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
			buildable = b
		}
		conn.http.Transport = buildable.GetTransport()
	}
	cfg.HTTPClient = conn.http
	// The environment may name an endpoint too.
	if o := s3.NewFromConfig(cfg).Options(); c.Endpoint == "" && o.BaseEndpoint != nil {
		conn.endpoint = *o.BaseEndpoint
	} else {
		conn.endpoint = c.Endpoint
	}
	switch {
	case cfg.Region == "" && conn.endpoint != "":
		cfg.Region = "us-east-1" // what stores without regions expect
	case cfg.Region == "":
		return nil, pipeline.Permanent(errors.New("there is no region; set region, or AWS_REGION in the environment"))
	}
	if arn := c.AssumeRole.ARN; arn != "" {
		cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), arn, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = sessionName(lane)
			if id := c.AssumeRole.ExternalID; id != "" {
				o.ExternalID = &id
			}
		}))
	}
	conn.region, conn.credentials = cfg.Region, cfg.Credentials
	conn.Client = s3.NewFromConfig(cfg, func(o *s3.Options) {
		if conn.endpoint != "" {
			o.BaseEndpoint = &conn.endpoint
		}
		o.UsePathStyle = c.PathStyle
	})
	return conn, nil
}

// sessionName is the lane as a role session may be called, so that the bucket's own
// log says which lane wrote.
func sessionName(lane string) string {
	name := []byte("connector-" + lane)
	for i, b := range name {
		if b == '/' {
			name[i] = '-'
		}
	}
	return string(name[:min(len(name), 64)])
}
