package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// orphan is an upload that was begun and has neither been completed nor aborted. The
// store keeps, and charges for, its parts until it is aborted.
type orphan struct{ key, upload string }

// mostParts is how many parts an upload may have.
const mostParts = 10_000

// writeParts writes o in parts. The object comes into being when the upload is
// completed, and only then the store looks whether it is there.
func (s *sink) writeParts(ctx context.Context, o *object) error {
	if s.config.ConditionalWrites && !s.proven {
		if err := s.proveParts(ctx); err != nil {
			return err
		}
		s.proven = true
	}
	if s.unsure == o.key {
		// The last attempt may have begun an upload whose id did not arrive.
		if err := s.findOrphans(ctx, o.key); err != nil {
			return err
		}
		s.abortOrphans(ctx)
	}
	s.unsure = o.key
	upload, err := s.begin(ctx, o)
	if err != nil {
		return err
	}
	s.unsure = ""
	err = s.fill(ctx, o, upload)
	if err != nil {
		// Also when nobody knows whether it was completed: then this has no effect,
		// or keeps a request that is late from having one.
		s.orphans = append(s.orphans, orphan{o.key, upload})
		if ctx.Err() == nil {
			s.abortOrphans(ctx)
		}
	}
	return err
}

// begin begins an upload.
func (s *sink) begin(ctx context.Context, o *object) (upload string, err error) {
	in := &s3.CreateMultipartUploadInput{
		Bucket: &s.bucket, Key: &o.key, ContentType: &o.contentType, Metadata: o.metadata,
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ExpectedBucketOwner: s.owner(), Tagging: s.tagging(),
		ServerSideEncryption: s.encryption(), SSEKMSKeyId: s.kmsKey(),
	}
	if o.batch {
		in.StorageClass = types.StorageClass(s.config.StorageClass)
		in.ObjectLockMode, in.ObjectLockRetainUntilDate = s.lock()
	}
	err = s.call(ctx, "begin upload of "+location(s.bucket, o.key), 0, func(ctx context.Context, c *connection) error {
		out, err := c.CreateMultipartUpload(ctx, in)
		if err == nil && out.UploadId == nil {
			err = errors.New("the store gave the upload no id")
		}
		if err == nil {
			upload = *out.UploadId
		}
		return err
	})
	return upload, err
}

// fill sends the parts of an upload and completes it.
func (s *sink) fill(ctx context.Context, o *object, upload string) error {
	size := max(s.partSize, (len(o.content)+mostParts-1)/mostParts)
	var done []types.CompletedPart
	for rest := o.content; len(rest) > 0; {
		part := rest[:min(size, len(rest))]
		rest = rest[len(part):]
		etag, sum, err := s.part(ctx, o.key, upload, int32(len(done)+1), part)
		if err != nil {
			return err
		}
		number := int32(len(done) + 1)
		done = append(done, types.CompletedPart{PartNumber: &number, ETag: &etag, ChecksumSHA256: sum})
	}
	none, match := s.condition(o)
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &s.bucket, Key: &o.key, UploadId: &upload, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
		IfNoneMatch: none, IfMatch: match, ExpectedBucketOwner: s.owner(),
	}
	return s.call(ctx, "complete upload of "+location(s.bucket, o.key), 0, func(ctx context.Context, c *connection) error {
		_, err := c.CompleteMultipartUpload(ctx, in)
		return err
	})
}

func (s *sink) part(ctx context.Context, key, upload string, number int32, content []byte) (etag string, sum *string, err error) {
	hash := sha256.Sum256(content)
	sum = encodeSum(hash)
	what := fmt.Sprintf("put part %d of %s", number, location(s.bucket, key))
	err = s.call(ctx, what, len(content), func(ctx context.Context, c *connection) error {
		out, err := c.UploadPart(v4.SetPayloadHash(ctx, hex.EncodeToString(hash[:])), &s3.UploadPartInput{
			Bucket: &s.bucket, Key: &key, UploadId: &upload, PartNumber: &number, Body: bytes.NewReader(content),
			ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ChecksumSHA256: sum, ExpectedBucketOwner: s.owner(),
		})
		if err == nil && out.ETag != nil {
			etag = *out.ETag
		}
		return err
	})
	return etag, sum, err
}

// abortOrphans aborts the uploads that are known to lie about. One that cannot be
// aborted now is tried again with the next batch, and looked for at the next start.
func (s *sink) abortOrphans(ctx context.Context) {
	var left []orphan
	for _, o := range s.orphans {
		if err := s.abort(ctx, o); err != nil {
			s.log.Warn("an incomplete upload could not be aborted", "lane", s.lane, "key", o.key, "err", err)
			left = append(left, o)
		}
	}
	s.orphans = left
}

func (s *sink) abort(ctx context.Context, o orphan) error {
	err := s.call(ctx, "abort upload of "+location(s.bucket, o.key), 0, func(ctx context.Context, c *connection) error {
		_, err := c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
			Bucket: &s.bucket, Key: &o.key, UploadId: &o.upload, ExpectedBucketOwner: s.owner(),
		})
		return err
	})
	if isGone(err) {
		return nil
	}
	return err
}

// isGone reports whether err says that an upload was completed or aborted.
func isGone(err error) bool {
	return err != nil && (explain(err).code == "NoSuchUpload" || errors.Is(err, errNotFound))
}

// findOrphans looks for uploads of the lane whose keys begin with one of prefixes.
func (s *sink) findOrphans(ctx context.Context, prefixes ...string) error {
	for _, prefix := range prefixes {
		in := &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: &prefix, ExpectedBucketOwner: s.owner()}
		for more := true; more; {
			var out *s3.ListMultipartUploadsOutput
			err := s.call(ctx, "list uploads below "+location(s.bucket, prefix), 0, func(ctx context.Context, c *connection) (err error) {
				out, err = c.ListMultipartUploads(ctx, in)
				return err
			})
			if err != nil {
				return err
			}
			for _, u := range out.Uploads {
				if u.Key == nil || u.UploadId == nil {
					continue
				}
				if _, ours := s.keys.parse(*u.Key); ours || *u.Key == s.keys.probe() {
					s.orphans = append(s.orphans, orphan{*u.Key, *u.UploadId})
				}
			}
			more = out.IsTruncated != nil && *out.IsTruncated && (out.NextKeyMarker != nil || out.NextUploadIdMarker != nil)
			in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
		}
	}
	return nil
}
