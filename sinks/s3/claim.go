package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"auditlog-connector/pipeline"
)

// claim is the content of the object that says who owns the lane. It names the
// former owners too, so that a bucket explains itself.
type claim struct {
	Lane   string   `json:"lane"`
	Epoch  string   `json:"epoch"`
	Former []string `json:"former_epochs,omitempty"` // oldest first
}

// readClaim returns the lane's claim and its ETag, nil if there is none. One that
// cannot be read is [pipeline.ErrCorrupt]; the ETag is returned then as well.
func (s *sink) readClaim(ctx context.Context) (*claim, string, error) {
	key := s.keys.claim()
	const most = 1 << 20
	var text []byte
	var etag string
	err := s.call(ctx, "get "+location(s.bucket, key), 0, func(ctx context.Context, c *connection) error {
		out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key, ExpectedBucketOwner: s.owner()})
		if err != nil {
			return err
		}
		defer out.Body.Close()
		if out.ETag != nil {
			etag = *out.ETag
		}
		text, err = io.ReadAll(io.LimitReader(out.Body, most))
		return err
	})
	if errors.Is(err, errNotFound) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	var c claim
	if err := json.Unmarshal(text, &c); err != nil || c.Epoch == "" {
		return nil, etag, pipeline.Permanent(fmt.Errorf("read claim %s: %w: it is not a claim; was it edited? The version before it may be right, "+
			"or see: connector checkpoint reset --takeover", location(s.bucket, key), pipeline.ErrCorrupt))
	}
	return &c, etag, nil
}

// owned makes sure that the lane is still owned by epoch.
func (s *sink) owned(ctx context.Context, epoch string) error {
	c, _, err := s.readClaim(ctx)
	switch {
	case err != nil:
		return err
	case c == nil:
		return fmt.Errorf("%w: the claim %s is not there any more: was the bucket emptied, or prefix changed? "+
			"Start again to claim it, and see what is missing with: connector archive verify", pipeline.ErrFenced, location(s.bucket, s.keys.claim()))
	case c.Epoch != epoch:
		return fmt.Errorf("%w: the lane belongs to epoch %s now, this is %s", pipeline.ErrFenced, c.Epoch, epoch)
	}
	return nil
}

// Claim implements [pipeline.Claimer]. It also proves that the store keeps its
// word, and aborts the uploads that an earlier process left.
func (s *sink) Claim(ctx context.Context, cp pipeline.Checkpoint, takeover bool) error {
	if s.config.ConditionalWrites {
		if err := s.prove(ctx); err != nil {
			return err
		}
	}
	found, etag, err := s.readClaim(ctx)
	if takeover && errors.Is(err, pipeline.ErrCorrupt) {
		found, err = &claim{}, nil
	}
	if err != nil {
		return err
	}
	switch {
	case found == nil:
		if cp.HasDelivered() {
			s.log.Warn("the bucket does not know this lane, which has delivered before: was it emptied, or prefix changed? Earlier events are not in it",
				"lane", s.lane, "bucket", s.bucket, "prefix", s.keys.prefix,
				"hint", "to deliver them again: connector checkpoint reset --lane "+s.lane+" --start earliest")
		}
		err = s.writeClaim(ctx, claim{Lane: s.lane, Epoch: cp.Epoch}, "")
	case found.Epoch != cp.Epoch && !takeover:
		return fmt.Errorf("%w: %s says epoch %s, the checkpoint has %s", pipeline.ErrForeignEpoch, location(s.bucket, s.keys.claim()), found.Epoch, cp.Epoch)
	case found.Epoch != cp.Epoch:
		former := found.Former
		if found.Epoch != "" {
			former = append(slices.Clone(former), found.Epoch)
		}
		err = s.writeClaim(ctx, claim{Lane: s.lane, Epoch: cp.Epoch, Former: former}, etag)
	case !takeover:
		err = s.notAhead(ctx, cp)
	}
	if err != nil {
		return err
	}
	prefixes := []string{s.keys.folder(), s.keys.probe()}
	if cp.Prepared != nil {
		// Some stores list uploads by whole keys only; it is this batch's if any.
		if key, err := s.key(cp.Prepared); err == nil {
			prefixes = append(prefixes, key)
		}
	}
	if err := s.findOrphans(ctx, prefixes...); err != nil {
		return err
	}
	s.abortOrphans(ctx)
	return nil
}

// writeClaim writes the claim in the place of the one with that ETag (empty: of
// none). If somebody else was faster, Claim is called again and finds theirs.
func (s *sink) writeClaim(ctx context.Context, c claim, replaces string) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = s.put(ctx, &object{key: s.keys.claim(), content: append(text, '\n'), contentType: "application/json", replaces: replaces})
	return err
}

// notAhead makes sure that the bucket has no batch of the lane that the checkpoint
// does not know of.
//
// Every batch from cp.Next on begins with an event at or above the lowest horizon
// that the lane has now, so it lies in that day's folder or a later one; and within a
// folder keys are in the order of their numbers.
func (s *sink) notAhead(ctx context.Context, cp pipeline.Checkpoint) error {
	days, err := s.days(ctx, lowest(cp).UTC().AddDate(0, 0, -1))
	if err != nil {
		return err
	}
	slices.Reverse(days) // what is ahead is new, as a rule
	for _, day := range days {
		key, err := s.firstFrom(ctx, day, cp)
		if err != nil {
			return err
		}
		if key != "" {
			return fmt.Errorf("%w: the bucket has %s, and the checkpoint is at batch %d: it was restored from a backup or is used twice",
				pipeline.ErrForeignEpoch, location(s.bucket, key), cp.Next)
		}
	}
	return nil
}

// lowest is the time below which the lane delivers nothing any more.
func lowest(cp pipeline.Checkpoint) time.Time {
	low := time.Time{}
	for _, p := range cp.Streams {
		if low.IsZero() || p.Floor.Before(low) {
			low = p.Floor
		}
	}
	if low.Before(cp.Start) || low.IsZero() {
		return cp.Start
	}
	return low
}

// days lists the folders of days that the source has, from that day on, sorted.
func (s *sink) days(ctx context.Context, from time.Time) ([]string, error) {
	if from.Before(pipeline.Earliest) {
		from = time.Time{}
	}
	folder, slash := s.keys.folder(), "/"
	after := s.keys.folder() + "dt=" + from.Format(time.DateOnly)
	in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &folder, Delimiter: &slash, StartAfter: &after, ExpectedBucketOwner: s.owner()}
	var days []string
	err := s.list(ctx, in, func(out *s3.ListObjectsV2Output) bool {
		for _, p := range out.CommonPrefixes {
			if p.Prefix != nil && *p.Prefix >= after {
				days = append(days, *p.Prefix)
			}
		}
		return true
	})
	return days, err
}

// firstFrom returns the first key of the lane in a day's folder whose number is not
// below cp.Next, empty if there is none.
func (s *sink) firstFrom(ctx context.Context, day string, cp pipeline.Checkpoint) (string, error) {
	folders := []string{day}
	if s.keys.hours {
		folders = append(folders, s.hours(day)...)
	}
	for _, folder := range folders {
		prefix := folder + s.keys.sink + "-" + cp.Epoch + "-"
		after := folder + s.keys.name(cp.Epoch, cp.Next)
		one := int32(1)
		in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix, StartAfter: &after, MaxKeys: &one, ExpectedBucketOwner: s.owner()}
		found := ""
		err := s.list(ctx, in, func(out *s3.ListObjectsV2Output) bool {
			for _, o := range out.Contents {
				if o.Key == nil || !strings.HasPrefix(*o.Key, prefix) || *o.Key <= after {
					continue
				}
				if n, ok := s.keys.parse(*o.Key); ok && n.Epoch == cp.Epoch && n.Seq >= cp.Next {
					found = *o.Key
				}
			}
			return false
		})
		if found != "" || err != nil {
			return found, err
		}
	}
	return "", nil
}

// hours lists the folders that a day can have.
func (s *sink) hours(day string) []string {
	folders := make([]string, 24)
	for h := range folders {
		folders[h] = fmt.Sprintf("%shour=%02d/", day, h)
	}
	return folders
}

// list lists, page by page, until page returns false.
func (s *sink) list(ctx context.Context, in *s3.ListObjectsV2Input, page func(*s3.ListObjectsV2Output) bool) error {
	for {
		var out *s3.ListObjectsV2Output
		err := s.call(ctx, "list "+location(s.bucket, *in.Prefix), 0, func(ctx context.Context, c *connection) (err error) {
			out, err = c.ListObjectsV2(ctx, in)
			return err
		})
		if err != nil {
			return err
		}
		if !page(out) || out.IsTruncated == nil || !*out.IsTruncated {
			return nil
		}
		if out.NextContinuationToken == nil || in.ContinuationToken != nil && *out.NextContinuationToken == *in.ContinuationToken {
			return fmt.Errorf("list %s: the store says that there is more, and not where", location(s.bucket, *in.Prefix))
		}
		in.ContinuationToken = out.NextContinuationToken
	}
}
