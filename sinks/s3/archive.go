package s3

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/s3/format"
)

// Archive reads a lane back, from its bucket alone. It is for one goroutine.
type Archive struct{ sink *sink }

// Archived is implemented by the sinks of this package.
type Archived interface{ Archive() *Archive }

// Archive implements [Archived]. It uses the sink's connection, until that is closed.
func (s *sink) Archive() *Archive { return &Archive{s} }

// Entry is a batch's object as the listing of the bucket has it.
type Entry struct {
	ID       pipeline.BatchID
	Day      time.Time // of the batch's first event, UTC
	Key      string
	Location string // s3://bucket/key
	Bytes    int64
	Written  time.Time
}

// Facts are what an object's metadata says of its batch. Fields that are missing
// or unreadable are zero.
type Facts struct {
	Batch       string    `json:"batch"`
	Digest      string    `json:"digest"` // lower-case hex
	Events      int       `json:"events"`
	First, Last time.Time // of the event times
}

// Event is one event of an object.
type Event = format.Event

// Owners returns the epoch that owns the lane and those that did before it, oldest
// first. Both are empty if nobody has claimed the lane.
func (a *Archive) Owners(ctx context.Context) (epoch string, former []string, err error) {
	c, _, err := a.sink.readClaim(ctx)
	if c == nil || err != nil {
		return "", nil, err
	}
	return c.Epoch, c.Former, nil
}

// List returns every batch of the lane: epochs in the order in which they began to
// write, each in the order of its numbers. It holds some hundred bytes for each.
func (a *Archive) List(ctx context.Context) ([]Entry, error) {
	s := a.sink
	prefix := s.keys.folder()
	var all []Entry
	began := make(map[string]time.Time)
	in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix, ExpectedBucketOwner: s.owner()}
	err := s.list(ctx, in, func(out *s3.ListObjectsV2Output) bool {
		for _, o := range out.Contents {
			if o.Key == nil {
				continue
			}
			n, ours := s.keys.parse(*o.Key)
			if !ours {
				continue
			}
			e := Entry{
				ID:  pipeline.BatchID{Lane: s.lane, Epoch: n.Epoch, Seq: n.Seq},
				Day: n.Day, Key: n.Key, Location: location(s.bucket, n.Key),
			}
			if o.Size != nil {
				e.Bytes = *o.Size
			}
			if o.LastModified != nil {
				e.Written = *o.LastModified
			}
			if at, ok := began[n.Epoch]; !ok || e.Written.Before(at) {
				began[n.Epoch] = e.Written
			}
			all = append(all, e)
		}
		return true
	})
	slices.SortFunc(all, func(a, b Entry) int {
		if a.ID.Epoch != b.ID.Epoch {
			if c := began[a.ID.Epoch].Compare(began[b.ID.Epoch]); c != 0 {
				return c
			}
			return strings.Compare(a.ID.Epoch, b.ID.Epoch)
		}
		if a.ID.Seq != b.ID.Seq {
			if a.ID.Seq < b.ID.Seq {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Key, b.Key)
	})
	return all, err
}

// Facts returns what e's metadata says.
func (a *Archive) Facts(ctx context.Context, e Entry) (Facts, error) {
	s := a.sink
	var f Facts
	err := s.call(ctx, "head "+e.Location, 0, func(ctx context.Context, c *connection) error {
		out, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &e.Key, ExpectedBucketOwner: s.owner()})
		if err == nil {
			f = readFacts(out.Metadata)
		}
		return err
	})
	return f, err
}

func readFacts(meta map[string]string) Facts {
	f := Facts{Batch: meta[metaBatch], Digest: meta[metaDigest]}
	f.Events, _ = strconv.Atoi(meta[metaEvents])
	f.First, _ = time.Parse(time.RFC3339, meta[metaFirst])
	f.Last, _ = time.Parse(time.RFC3339, meta[metaLast])
	return f
}

// Read calls yield for each event of e, in the order of the object, and returns
// what its metadata says. The content is held in memory, as it is compressed. An
// error of yield ends it and is returned.
func (a *Archive) Read(ctx context.Context, e Entry, yield func(Event) error) (Facts, error) {
	s := a.sink
	var f Facts
	var content []byte
	err := s.call(ctx, "get "+e.Location, int(e.Bytes), func(ctx context.Context, c *connection) error {
		out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &e.Key, ExpectedBucketOwner: s.owner()})
		if err != nil {
			return err
		}
		defer out.Body.Close()
		f = readFacts(out.Metadata)
		content, err = io.ReadAll(out.Body)
		return err
	})
	if err != nil {
		return f, err
	}
	if err := format.Read(e.Key, content, yield); err != nil {
		return f, &ContentError{e, err}
	}
	return f, nil
}

// ContentError says that an object was read and is not what it should be, or that
// the caller did not want more of it.
type ContentError struct {
	Entry Entry
	Err   error
}

func (e *ContentError) Error() string { return e.Entry.Location + ": " + e.Err.Error() }
func (e *ContentError) Unwrap() error { return e.Err }

// errNoID says that a digest cannot be computed.
var errNoID = errors.New("an event does not say its id")

// digestOf is the digest of a batch by its events' IDs, which come in any order.
func digestOf(id pipeline.BatchID, ids map[int]string) (string, error) {
	m := pipeline.Manifest{ID: id, Members: make([]pipeline.Position, len(ids))}
	for i := range m.Members {
		name, ok := ids[i]
		if !ok {
			return "", fmt.Errorf("event %d of %d is missing", i, len(ids))
		}
		if name == "" {
			return "", errNoID
		}
		m.Members[i].ID = name
	}
	digest := m.Digest()
	return hex.EncodeToString(digest[:]), nil
}
