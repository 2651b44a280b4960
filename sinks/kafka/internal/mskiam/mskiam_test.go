package mskiam

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-msk-iam-sasl-signer-go/signer"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/segmentio/kafka-go/sasl"
)

type static aws.Credentials

func (s static) Retrieve(context.Context) (aws.Credentials, error) { return aws.Credentials(s), nil }

// AWS's own signer makes tokens for another mechanism out of the same signed request.
func TestSignatureIsThatOfTheSignerModule(t *testing.T) {
	for name, c := range map[string]aws.Credentials{
		"keys":            {AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "example-secret"},
		"temporary, role": {AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "example-secret", SessionToken: "example/token+=="},
	} {
		t.Run(name, func(t *testing.T) {
			token, _, err := signer.GenerateAuthTokenFromCredentialsProvider(t.Context(), "eu-central-1", static(c))
			if err != nil {
				t.Fatal(err)
			}
			text, err := base64.RawURLEncoding.DecodeString(token)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(string(text))
			if err != nil {
				t.Fatal(err)
			}
			theirs := u.Query()
			theirs.Del("User-Agent") // added after it was signed
			at, err := time.Parse("20060102T150405Z", theirs.Get("X-Amz-Date"))
			if err != nil {
				t.Fatal(err)
			}
			ours, err := sign(t.Context(), c, u.Host, "eu-central-1", at)
			if err != nil {
				t.Fatal(err)
			}
			if ours.Encode() != theirs.Encode() {
				t.Errorf("got  %s\nwant %s", ours.Encode(), theirs.Encode())
			}
		})
	}
}

func TestFirstMessage(t *testing.T) {
	const host = "b-1.demo.abc123.c2.kafka.eu-central-1.amazonaws.com"
	m := &mechanism{
		load: func(context.Context) (aws.Config, error) {
			return aws.Config{Credentials: static{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "example-secret", SessionToken: "example-token"}}, nil
		},
		now: func() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) },
	}
	_, first, err := m.Start(sasl.WithMetadata(t.Context(), &sasl.Metadata{Host: host, Port: 9098}))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(first, &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"version": "2020_10_22", "host": host, "user-agent": "auditlog-connector", "action": "kafka-cluster:Connect", "x-amz-algorithm": "AWS4-HMAC-SHA256",
		"x-amz-credential": "AKIDEXAMPLE/20261122/eu-central-1/kafka-cluster/aws4_request", "x-amz-date": "20261122T120000Z",
		"x-amz-security-token": "example-token", "x-amz-signedheaders": "host", "x-amz-expires": "900",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if len(got["x-amz-signature"]) != 64 || len(got) != 11 {
		t.Errorf("%d fields, signature %q", len(got), got["x-amz-signature"])
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	load := func(c aws.Config, err error) *mechanism {
		return &mechanism{load: func(context.Context) (aws.Config, error) { return c, err }, now: time.Now}
	}
	at := sasl.WithMetadata(t.Context(), &sasl.Metadata{Host: "kafka.example.com", Port: 9098})
	for name, c := range map[string]struct {
		m    *mechanism
		ctx  context.Context
		want string
	}{
		"configuration": {load(aws.Config{}, errors.New("bad profile")), at, "aws configuration: bad profile"},
		"credentials":   {load(aws.Config{Region: "eu-central-1"}, nil), at, "no aws credentials"},
		"region":        {load(aws.Config{Credentials: static{AccessKeyID: "a", SecretAccessKey: "b"}}, nil), at, "no aws region: set AWS_REGION (broker kafka.example.com does not tell)"},
		"broker":        {load(aws.Config{}, nil), t.Context(), "no broker to log in to"},
	} {
		if _, _, err := c.m.Start(c.ctx); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if done, _, err := (session{}).Next(t.Context(), nil); done || err == nil {
		t.Error("an empty answer logs in")
	}
	if done, _, err := (session{}).Next(t.Context(), []byte(`{"version":"2020_10_22"}`)); !done || err != nil {
		t.Error(err)
	}
}
