package s3

import (
	"errors"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"auditlog-connector/internal/strictyaml"
)

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	bucketARN  = regexp.MustCompile(`^arn:[a-z0-9-]+:s3[a-z-]*:[a-z0-9-]*:[0-9]{12}:(accesspoint|outpost)[/:]\S+$`)
	roleARN    = regexp.MustCompile(`^arn:[a-z0-9-]+:iam::[0-9]{12}:role/\S+$`)
	account    = regexp.MustCompile(`^[0-9]{12}$`)
)

// longestPrefix leaves room for what the sink appends to it: a key has 1,024 bytes.
const longestPrefix = 600

func validateBucket(c *Config) (errs []error) {
	switch {
	case c.Bucket == "":
		errs = append(errs, strictyaml.FieldError{Path: "bucket", Err: errors.New("is missing"), Hint: "the name of the bucket; it has to exist"})
	case strings.HasPrefix(c.Bucket, "s3://"):
		errs = append(errs, strictyaml.Field("bucket", "%q is an address", c.Bucket).WithHint("write the bucket's name here, and what follows it in prefix"))
	case bucketARN.MatchString(c.Bucket):
	case !bucketName.MatchString(c.Bucket) || strings.Contains(c.Bucket, "..") || isAddress(c.Bucket):
		errs = append(errs, strictyaml.Field("bucket", "%q is not a bucket name", c.Bucket).WithHint("3 to 63 of a-z, 0-9, - and .; or an access point's ARN"))
	}
	switch p := c.Prefix; {
	case strings.HasPrefix(p, "/"):
		errs = append(errs, strictyaml.Field("prefix", "begins with a slash").WithHint("keys would have an empty first folder; leave the slash out"))
	case strings.Contains(p, "//"):
		errs = append(errs, strictyaml.Field("prefix", "has an empty folder"))
	case len(p) > longestPrefix:
		errs = append(errs, strictyaml.Field("prefix", "has %d bytes, more than %d", len(p), longestPrefix))
	case !utf8.ValidString(p) || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f }):
		errs = append(errs, strictyaml.Field("prefix", "has characters that keys should not have"))
	case slices.ContainsFunc(strings.Split(p, "/"), func(s string) bool { return s == "." || s == ".." }):
		errs = append(errs, strictyaml.Field("prefix", "has a folder . or .."))
	}
	if c.Endpoint != "" {
		u, err := url.Parse(c.Endpoint)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
			errs = append(errs, strictyaml.Field("endpoint", "is not an address").WithHint("https://host or http://host:port"))
		case u.User != nil || u.RawQuery != "" || u.Fragment != "":
			errs = append(errs, strictyaml.Field("endpoint", "has more than a host, a port and a path"))
		case u.Scheme == "http" && !isLoopback(u.Hostname()):
			errs = append(errs, strictyaml.FieldError{Path: "endpoint", Err: errors.New("events cross the network in the clear"), Hint: "https", Warning: true})
		}
		if c.DualStack || c.FIPS {
			errs = append(errs, strictyaml.Field("endpoint", "is set, so dual_stack and fips have no meaning"))
		}
	}
	return errs
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

func validateEncryption(c *Config) (errs []error) {
	switch c.SSE {
	case sseBucket, sseS3, sseKMS:
	default:
		errs = append(errs, strictyaml.Field("sse", "unknown encryption %q", c.SSE).WithHint("none (as the bucket says), AES256 or aws:kms"))
	}
	if c.KMSKeyID != "" && c.SSE != sseKMS {
		errs = append(errs, strictyaml.Field("kms_key_id", "is only for sse: aws:kms"))
	}
	return errs
}

func validateLock(l ObjectLock) (errs []error) {
	const day, longest = 24 * time.Hour, 100 * 366 * 24 * time.Hour
	switch l.Mode {
	case "":
		if l.Retain != 0 {
			errs = append(errs, strictyaml.Field("object_lock.retain", "is set, and mode is not").WithHint("mode: governance or compliance"))
		}
		return errs
	case "governance", "compliance":
	default:
		errs = append(errs, strictyaml.Field("object_lock.mode", "unknown mode %q", l.Mode).WithHint("governance or compliance"))
	}
	switch {
	case l.Retain < time.Minute:
		errs = append(errs, strictyaml.Field("object_lock.retain", "%s is too short", l.Retain).WithHint("years in hours: 8760h is one"))
	case l.Retain > longest:
		errs = append(errs, strictyaml.Field("object_lock.retain", "%s is more than a hundred years", l.Retain))
	case l.Mode == "compliance" && l.Retain > 10*366*day:
		errs = append(errs, strictyaml.FieldError{Path: "object_lock.retain", Warning: true,
			Err: errors.New("nobody, the account's owner included, can delete an object before"), Hint: "is it meant in hours?"})
	}
	return errs
}

func validateTags(tags map[string]string) (errs []error) {
	if len(tags) > 10 {
		errs = append(errs, strictyaml.Field("tags", "%d tags; an object has ten at most", len(tags)))
	}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		at := strictyaml.Join("tags", k)
		if k == "" || utf8.RuneCountInString(k) > 128 || utf8.RuneCountInString(tags[k]) > 256 {
			errs = append(errs, strictyaml.Field(at, "a tag's name has 1 to 128 characters, its value 256 at most"))
		}
		if strings.HasPrefix(k, "aws:") {
			errs = append(errs, strictyaml.Field(at, "names that begin with aws: are AWS's own"))
		}
	}
	return errs
}

var storageClasses = []string{
	"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE",
	"EXPRESS_ONEZONE", "OUTPOSTS", "SNOW",
}

func validateAccess(c *Config) (errs []error) {
	switch s := c.StorageClass; {
	case s == "", c.Endpoint != "": // other stores have classes of their own
	case !slices.Contains(storageClasses, s):
		errs = append(errs, strictyaml.Field("storage_class", "unknown class %q", s).WithHint(strictyaml.DidYouMean(s, storageClasses)))
	case s == "GLACIER" || s == "DEEP_ARCHIVE":
		errs = append(errs, strictyaml.FieldError{Path: "storage_class", Warning: true,
			Err:  errors.New("objects have to be restored before anybody, \"connector archive\" included, can read them"),
			Hint: "STANDARD with a lifecycle rule, or GLACIER_IR"})
	}
	if c.ExpectedOwner != "" && !account.MatchString(c.ExpectedOwner) {
		errs = append(errs, strictyaml.Field("expected_owner", "%q is not an account", c.ExpectedOwner).WithHint("twelve digits, in quotes"))
	}
	if c.AssumeRole.ARN != "" && !roleARN.MatchString(c.AssumeRole.ARN) && c.Endpoint == "" {
		errs = append(errs, strictyaml.Field("assume_role.arn", "%q is not a role", c.AssumeRole.ARN).WithHint("arn:aws:iam::123456789012:role/name"))
	}
	if c.AssumeRole.ARN == "" && c.AssumeRole.ExternalID != "" {
		errs = append(errs, strictyaml.Field("assume_role.external_id", "is set, and arn is not"))
	}
	return errs
}
