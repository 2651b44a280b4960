package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// object is something to write.
type object struct {
	key         string
	content     []byte
	contentType string
	metadata    map[string]string
	batch       bool   // object lock and storage class are for batches alone
	replaces    string // the ETag of what it replaces; empty: it must not be there
}

// write writes o whole or not at all. The error is errExists if there is another
// object under the key, or, if o replaces one, that one is not there any more.
func (s *sink) write(ctx context.Context, o *object) error {
	if len(o.content) > s.partSize {
		return s.writeParts(ctx, o)
	}
	_, err := s.put(ctx, o)
	return err
}

// put writes o with one request and returns its ETag.
func (s *sink) put(ctx context.Context, o *object) (etag string, err error) {
	sum := sha256.Sum256(o.content)
	in := &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &o.key, Body: bytes.NewReader(o.content), ContentType: &o.contentType, Metadata: o.metadata,
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ChecksumSHA256: encodeSum(sum),
		ExpectedBucketOwner: s.owner(), Tagging: s.tagging(),
		ServerSideEncryption: s.encryption(), SSEKMSKeyId: s.kmsKey(),
	}
	in.IfNoneMatch, in.IfMatch = s.condition(o)
	if o.batch {
		in.StorageClass = types.StorageClass(s.config.StorageClass)
		in.ObjectLockMode, in.ObjectLockRetainUntilDate = s.lock()
	}
	err = s.call(ctx, "put "+location(s.bucket, o.key), len(o.content), func(ctx context.Context, c *connection) error {
		// The signature needs the same sum, which is not computed again.
		out, err := c.PutObject(v4.SetPayloadHash(ctx, hex.EncodeToString(sum[:])), in)
		if err == nil && out.ETag != nil {
			etag = *out.ETag
		}
		return err
	})
	return etag, err
}

// condition returns what has to hold for o to be written: If-None-Match and If-Match.
func (s *sink) condition(o *object) (none, match *string) {
	switch {
	case !s.config.ConditionalWrites:
		return nil, nil
	case o.replaces != "":
		return nil, &o.replaces
	}
	any := "*"
	return &any, nil
}

func (s *sink) encryption() types.ServerSideEncryption {
	if s.config.SSE == sseBucket {
		return ""
	}
	return types.ServerSideEncryption(s.config.SSE)
}

func (s *sink) kmsKey() *string {
	if s.config.KMSKeyID == "" {
		return nil
	}
	return &s.config.KMSKeyID
}

// lock returns until when an object written now is kept.
func (s *sink) lock() (types.ObjectLockMode, *time.Time) {
	l := s.config.ObjectLock
	if l.Mode == "" {
		return "", nil
	}
	until := s.now().UTC().Add(l.Retain).Truncate(time.Second)
	return types.ObjectLockMode(strings.ToUpper(l.Mode)), &until
}

// tagging is the tags as a query, in the order of their names.
func (s *sink) tagging() *string {
	if len(s.config.Tags) == 0 {
		return nil
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(s.config.Tags)) {
		parts = append(parts, url.QueryEscape(k)+"="+url.QueryEscape(s.config.Tags[k]))
	}
	text := strings.ReplaceAll(strings.Join(parts, "&"), "+", "%20")
	return &text
}

func encodeSum(sum [32]byte) *string {
	text := base64.StdEncoding.EncodeToString(sum[:])
	return &text
}
