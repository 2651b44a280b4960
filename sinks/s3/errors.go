package s3

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
)

// Answers by which a store says that a condition was not met. One that is not S3
// has answered 304 where 412 was due.
var (
	errExists   = errors.New("the object is there already")
	errNotFound = errors.New("there is no such object")
)

// answer is a failed request as the store explains it.
type answer struct {
	status  int // 0: there was no answer
	code    string
	message string
	header  http.Header
}

func explain(err error) answer {
	var a answer
	var re *awshttp.ResponseError
	if errors.As(err, &re) {
		a.status = re.HTTPStatusCode()
		if re.Response != nil {
			a.header = re.Response.Header
		}
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		a.code, a.message = api.ErrorCode(), api.ErrorMessage()
	}
	return a
}

func (a answer) text(secrets []string) string {
	text := fmt.Sprintf("HTTP %d", a.status)
	// An answer to HEAD has no body: the SDK then makes a code of the status.
	if a.code != "" && a.code != "UnknownError" {
		text += " " + a.code
	}
	if a.message != "" && a.message != a.code {
		text += ": " + a.message
	}
	if id := a.header.Get("X-Amz-Request-Id"); id != "" {
		text += " (request " + id + ")"
	}
	return httpclient.Short(httpclient.Redact(text, secrets...))
}

// Codes of answers that say more than their status does.
var (
	// The credentials, not what they may do: others may work.
	badCredentials = []string{
		"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidClientTokenId",
		"AccountProblem", "ExpiredTokenException",
	}
	throttles = []string{
		"SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "BandwidthLimitExceeded",
		"RequestThrottled", "RequestThrottledException", "ProvisionedThroughputExceededException",
	}
	// The request did not arrive as it was sent, or stayed away too long.
	garbled = []string{
		"RequestTimeout", "IncompleteBody", "BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch",
		"InvalidChunkSizeError", "OperationAborted", "ConditionalRequestConflict", "NoSuchUpload", "InvalidPart", "KMS.ThrottlingException", "KMS.KMSInternalException",
	}
)

// classify returns what a failed request means for the pipeline. What says no more
// than that something failed leaves a batch in doubt. Secrets are kept out of the
// text.
//
//	no answer, 409, 5xx                      neither: in doubt, and tried again
//	SlowDown, 429                            ThrottledError
//	304, 412                                 errExists
//	404 of a key                             errNotFound
//	401, 403                                 Permanent and ErrRefused
//	a redirect, no bucket, any other 4xx     Permanent
func classify(err error, secrets []string) error {
	a := explain(err)
	if a.status == 0 {
		return &hiddenError{err, httpclient.Short(httpclient.Redact(plain(err), secrets...))}
	}
	said := &hiddenError{err, a.text(secrets)}
	switch {
	case a.status == http.StatusPreconditionFailed, a.status == http.StatusNotModified:
		return fmt.Errorf("%w: %w", errExists, said)
	case slices.Contains(throttles, a.code), a.status == http.StatusTooManyRequests:
		return &pipeline.ThrottledError{Err: said, After: httpclient.RetryAfter(a.header, time.Now())}
	case a.code == "NoSuchBucket":
		return pipeline.Permanent(fmt.Errorf("%w; create the bucket, or set bucket right, and start again", said))
	case a.code == "RequestTimeTooSkewed":
		return fmt.Errorf("%w; the clock of this machine is off: set it by a time server", said)
	case slices.Contains(garbled, a.code):
		return said
	case slices.Contains(badCredentials, a.code):
		return &credentialsError{said}
	case a.status == http.StatusNotFound && (a.code == "NotFound" || a.code == "NoSuchKey"):
		return fmt.Errorf("%w: %w", errNotFound, said)
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return refused(said)
	case a.status >= 300 && a.status <= 399 || a.code == "AuthorizationHeaderMalformed" || a.code == "IllegalLocationConstraintException":
		where := "set region to the bucket's, and endpoint if there is one"
		if r := a.header.Get("X-Amz-Bucket-Region"); r != "" {
			where = "set region to " + r
		}
		return pipeline.Permanent(fmt.Errorf("%w; the bucket is elsewhere: %s", said, where))
	case a.status == http.StatusNotImplemented:
		return pipeline.Permanent(fmt.Errorf("%w; the store cannot do this", said))
	case a.status == http.StatusRequestTimeout, a.status == http.StatusConflict, a.status == http.StatusTooEarly:
		return said
	case a.status >= 400 && a.status <= 499:
		return pipeline.Permanent(fmt.Errorf("%w%s", said, hint(a)))
	}
	return said
}

// refused is an error about what the credentials may do.
func refused(err error) error {
	return pipeline.Permanent(fmt.Errorf("%w: %w", pipeline.ErrRefused, err))
}

// credentialsError is an answer that refuses the credentials themselves. Nothing
// came of the request.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// hint says what to do about a request that will never work.
func hint(a answer) string {
	text := a.code + " " + a.message
	switch {
	case strings.Contains(text, "Object Lock") || strings.Contains(text, "ObjectLock"):
		return "; object_lock needs a bucket that was made with object lock"
	case strings.Contains(text, "KMS"):
		return "; look at kms_key_id and the key's policy"
	case strings.Contains(text, "StorageClass"):
		return "; look at storage_class"
	case strings.Contains(text, "QuotaExceeded"):
		return "; the bucket is full"
	}
	return ""
}

// hiddenError is an error with a text of its own, in which no secret is.
type hiddenError struct {
	err  error
	text string
}

func (e *hiddenError) Error() string { return e.text }
func (e *hiddenError) Unwrap() error { return e.err }

// plain is what the SDK says of a request without an answer, without the words it
// puts around it.
func plain(err error) string {
	var op *smithy.OperationError
	if errors.As(err, &op) {
		err = op.Err
	}
	text := err.Error()
	for _, noise := range []string{"https response error StatusCode: 0, RequestID: , HostID: , ", "request send failed, "} {
		text = strings.ReplaceAll(text, noise, "")
	}
	return text
}
