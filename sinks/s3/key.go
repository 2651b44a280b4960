package s3

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"auditlog-connector/pipeline"
)

// prefix is the prefix of every key, empty or with a slash at its end.
func (c *Config) prefix() string {
	p := strings.Trim(c.Prefix, "/")
	if p == "" {
		return ""
	}
	return p + "/"
}

// keys names the objects of one lane:
//
//	<prefix>/source=<source>/dt=2026-11-22/[hour=09/]<sink>-<epoch>-<seq><extension>
//	<prefix>/_connector/<source>/<sink>.json     who owns the lane
//	<prefix>/_connector/<source>/<sink>.probe    that the store keeps its word
type keys struct {
	prefix string // empty or with a slash at its end
	source string
	sink   string
	hours  bool
}

// folder is what the keys of all batches of the source begin with.
func (k *keys) folder() string { return k.prefix + "source=" + k.source + "/" }

// day is what the keys of a day's batches of the lane and the epoch begin with,
// without hours.
func (k *keys) day(day string) string { return k.folder() + "dt=" + day + "/" }

func (k *keys) claim() string { return k.prefix + "_connector/" + k.source + "/" + k.sink + ".json" }

func (k *keys) probe() string { return k.prefix + "_connector/" + k.source + "/" + k.sink + ".probe" }

// batch is the key of m, which follows from the manifest alone.
func (k *keys) batch(m *pipeline.Manifest, extension string) string {
	at := pipeline.Earliest
	if len(m.Members) > 0 {
		at = m.Members[0].Time.UTC()
	}
	key := k.day(at.Format(time.DateOnly))
	if k.hours {
		key += at.Format("hour=15/")
	}
	return key + k.name(m.ID.Epoch, m.ID.Seq) + extension
}

// name is the end of a batch's key, its extension left aside.
func (k *keys) name(epoch string, seq uint64) string {
	return fmt.Sprintf("%s-%s-%020d", k.sink, epoch, seq)
}

// named is what a key of the lane says.
type named struct {
	Epoch string
	Seq   uint64
	Day   time.Time // of the batch's first event, UTC
	Key   string
}

// parse reads a key of a batch of the lane, whatever its partitions and extension.
// It reports false for any other key, that of another sink included.
func (k *keys) parse(key string) (named, bool) {
	rest, ok := strings.CutPrefix(key, k.folder()+"dt=")
	day, rest, slash := strings.Cut(rest, "/")
	at, err := time.Parse(time.DateOnly, day)
	if !ok || !slash || err != nil {
		return named{}, false
	}
	if hour, name, ok := strings.Cut(rest, "/"); ok {
		if !strings.HasPrefix(hour, "hour=") {
			return named{}, false
		}
		rest = name
	}
	name, ok := strings.CutPrefix(rest, k.sink+"-")
	epoch, rest, dash := strings.Cut(name, "-")
	digits, _, dot := strings.Cut(rest, ".")
	seq, err := strconv.ParseUint(digits, 10, 64)
	// A sink named like this one and more has its own name where the epoch is.
	if !ok || !dash || !dot || err != nil || len(digits) != 20 || len(epoch) != 8 || strings.Trim(epoch, "0123456789abcdef") != "" {
		return named{}, false
	}
	return named{Epoch: epoch, Seq: seq, Day: at, Key: key}, true
}

const scheme = "s3://"

// location is how a key is written for people, and in a manifest's place.
func location(bucket, key string) string { return scheme + bucket + "/" + key }

// Place implements [pipeline.Placer]: the object's location. What m is written as,
// and where, stays as it was when m was prepared.
func (s *sink) Place(m pipeline.Manifest) string {
	return location(s.bucket, s.keys.batch(&m, s.format.Extension()))
}

// key is the key that m belongs to.
func (s *sink) key(m *pipeline.Manifest) (string, error) {
	place := m.Place
	if place == "" {
		place = s.Place(*m)
	}
	key, ok := strings.CutPrefix(place, location(s.bucket, ""))
	if !ok || key == "" {
		return "", pipeline.Permanent(fmt.Errorf("the batch in doubt belongs to %s, and the bucket is %s now; "+
			"set bucket back until it is settled, or see: connector checkpoint resolve", place, s.bucket))
	}
	return key, nil
}
