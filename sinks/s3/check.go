package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"auditlog-connector/pipeline"
)

// checkup is one run of Check.
type checkup struct {
	*sink
	findings []pipeline.Finding
}

// Check implements [pipeline.Checker]. It writes no events; the probe, a small
// object beside the claim, stays in the bucket.
func (s *sink) Check(ctx context.Context) []pipeline.Finding {
	c := &checkup{sink: s}
	if !c.credentials(ctx) || !c.bucketThere(ctx) {
		return c.findings
	}
	c.permissions(ctx)
	c.conditions(ctx)
	c.encrypted(ctx)
	c.locked(ctx)
	c.claimed(ctx)
	return c.findings
}

func (c *checkup) add(name, status, detail, hint string) {
	c.findings = append(c.findings, pipeline.Finding{Name: name, Status: status, Detail: detail, Hint: hint})
}

func (c *checkup) ok(name, format string, args ...any) {
	c.add(name, "ok", fmt.Sprintf(format, args...), "")
}

// fail adds what went wrong. What the error says after its first semicolon is what to do.
func (c *checkup) fail(name string, err error, hint string) {
	detail, advice, found := strings.Cut(err.Error(), "; ")
	if hint == "" && found {
		hint = advice
	}
	if hint == "" || !found {
		detail = err.Error()
	}
	c.add(name, "fail", detail, hint)
}

func (c *checkup) credentials(ctx context.Context) bool {
	var source string
	err := c.call(ctx, "connect", 0, func(ctx context.Context, conn *connection) error {
		got, err := conn.credentials.Retrieve(ctx)
		source = got.Source
		return err
	})
	if err != nil {
		c.fail("credentials", err, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role of the machine or pod")
		return false
	}
	c.ok("credentials", "%s, region %s", source, c.conn.region)
	return true
}

func (c *checkup) bucketThere(ctx context.Context) bool {
	var date time.Time
	err := c.call(ctx, "head bucket "+c.bucket, 0, func(ctx context.Context, conn *connection) error {
		out, err := conn.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &c.bucket, ExpectedBucketOwner: c.owner()})
		if err == nil {
			date, _ = awsmiddleware.GetServerTime(out.ResultMetadata)
		} else if at, parseErr := http.ParseTime(explain(err).header.Get("Date")); parseErr == nil {
			date = at
		}
		return err
	})
	c.clock(date)
	switch {
	case errors.Is(err, errNotFound):
		c.fail("bucket", fmt.Errorf("there is no bucket %s", c.bucket), "create it, or set bucket and endpoint right")
	case errors.Is(err, pipeline.ErrRefused):
		hint := "the credentials need s3:ListBucket on the bucket; is it the right one?"
		if c.config.ExpectedOwner != "" {
			hint += " Does it belong to account " + c.config.ExpectedOwner + " (expected_owner)?"
		}
		c.fail("bucket", err, hint)
	case err != nil:
		c.fail("bucket", err, "")
	default:
		c.ok("bucket", "%s", location(c.bucket, c.keys.folder()))
	}
	return err == nil
}

// clock compares this machine's clock with the store's, which refuses requests that
// are dated a quarter of an hour away.
func (c *checkup) clock(date time.Time) {
	if date.IsZero() {
		return
	}
	const hint = "set the clock of this machine by a time server"
	switch off := c.now().Sub(date).Round(time.Second).Abs(); {
	case off >= 10*time.Minute:
		c.add("clock", "fail", fmt.Sprintf("it is %s off the store's", off), hint)
	case off >= time.Minute:
		c.add("clock", "warn", fmt.Sprintf("it is %s off the store's", off), hint)
	default:
		c.ok("clock", "it agrees with the store's")
	}
}

// permissions tries what a start and a recovery need beside writing.
func (c *checkup) permissions(ctx context.Context) {
	prefix, one := c.keys.folder(), int32(1)
	err := c.list(ctx, &s3.ListObjectsV2Input{Bucket: &c.bucket, Prefix: &prefix, MaxKeys: &one, ExpectedBucketOwner: c.owner()},
		func(*s3.ListObjectsV2Output) bool { return false })
	if err != nil {
		c.fail("list", err, "s3:ListBucket: without it a batch in doubt cannot be told from one that is refused")
	} else {
		c.ok("list", "%s", location(c.bucket, prefix))
	}
	orphans := c.orphans
	if err := c.findOrphans(ctx, c.keys.folder()); err != nil {
		c.fail("uploads", err, "s3:ListBucketMultipartUploads: parts that a crash leaves could not be found")
	} else {
		c.ok("uploads", "%d of this lane are incomplete", len(c.orphans)-len(orphans))
	}
	c.orphans = orphans
}

// conditions proves with the probe that the store keeps its word.
func (c *checkup) conditions(ctx context.Context) {
	const name = "conditional writes"
	if !c.config.ConditionalWrites {
		c.add(name, "warn", "conditional_writes is off: the lane is at least once", "")
		return
	}
	if err := c.prove(ctx); err != nil {
		c.fail(name, err, c.writeHint(err))
		return
	}
	c.ok(name, "the store refused to write over %s", location(c.bucket, c.keys.probe()))
	if err := c.proveParts(ctx); err != nil {
		c.fail("uploads in parts", err, c.writeHint(err))
		return
	}
	c.ok("uploads in parts", "the store refused to complete one over an object")
}

func (c *checkup) writeHint(err error) string {
	if !errors.Is(err, pipeline.ErrRefused) {
		return ""
	}
	needs := "the credentials need s3:PutObject on " + location(c.bucket, c.keys.prefix+"*")
	if c.config.SSE == sseKMS {
		needs += ", kms:GenerateDataKey and kms:Decrypt on the key"
	}
	if len(c.config.Tags) > 0 {
		needs += ", s3:PutObjectTagging"
	}
	return needs
}

// encrypted looks at how the probe was encrypted.
func (c *checkup) encrypted(ctx context.Context) {
	key := c.keys.probe()
	var head *s3.HeadObjectOutput
	err := c.call(ctx, "head "+location(c.bucket, key), 0, func(ctx context.Context, conn *connection) (err error) {
		head, err = conn.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &c.bucket, Key: &key, ExpectedBucketOwner: c.owner()})
		return err
	})
	switch {
	case errors.Is(err, errNotFound) && !c.config.ConditionalWrites:
	case err != nil:
		c.fail("encryption", err, "s3:GetObject: what is there is looked at before it is trusted")
	case head.ServerSideEncryption == "" && c.config.SSE == sseBucket:
		c.add("encryption", "warn", "the bucket encrypts nothing by itself", "sse: AES256 or aws:kms, or the bucket's default encryption")
	case c.encryption() != "" && head.ServerSideEncryption != c.encryption():
		c.add("encryption", "warn", fmt.Sprintf("the probe, written earlier, has %q; new objects ask for %s", head.ServerSideEncryption, c.encryption()), "")
	default:
		detail := string(head.ServerSideEncryption)
		if head.SSEKMSKeyId != nil {
			detail += " with key " + *head.SSEKMSKeyId
		}
		c.ok("encryption", "%s", detail)
	}
}

// locked looks whether the bucket can keep what object_lock asks for.
func (c *checkup) locked(ctx context.Context) {
	if c.config.ObjectLock.Mode == "" {
		return
	}
	var out *s3.GetObjectLockConfigurationOutput
	err := c.call(ctx, "get object lock of "+c.bucket, 0, func(ctx context.Context, conn *connection) (err error) {
		out, err = conn.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &c.bucket, ExpectedBucketOwner: c.owner()})
		return err
	})
	const hint = "object lock is switched on when a bucket is made"
	switch {
	case errors.Is(err, pipeline.ErrRefused):
		c.add("object lock", "warn", err.Error(), "s3:GetBucketObjectLockConfiguration is needed to look")
	case err != nil:
		c.fail("object lock", err, hint)
	case out.ObjectLockConfiguration == nil || out.ObjectLockConfiguration.ObjectLockEnabled != types.ObjectLockEnabledEnabled:
		c.fail("object lock", errors.New("the bucket has none"), hint)
	default:
		c.ok("object lock", "%s for %s", c.config.ObjectLock.Mode, c.config.ObjectLock.Retain)
	}
}

// claimed says who owns the lane.
func (c *checkup) claimed(ctx context.Context) {
	found, _, err := c.readClaim(ctx)
	switch {
	case err != nil:
		c.fail("claim", err, "")
	case found == nil:
		c.ok("claim", "nobody owns the lane yet")
	default:
		c.ok("claim", "the lane belongs to epoch %s", found.Epoch)
	}
}
