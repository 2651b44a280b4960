package splunkhec

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
)

// class is what an answer means for the events that were sent.
type class int

const (
	classAmbiguous class = iota // perhaps taken; the zero value, for what nobody knows
	classTaken
	classSlow    // taken, and the server asks for less
	classRetry   // not taken: elsewhere at once, or here later
	classEvent   // the event of that number is bad: those before are taken, those from it on are not
	classIndex   // likewise, and the number is one too high
	classLarge   // not taken: too large
	classRefused // not taken: the token
	classConfig  // not taken: the configuration, here or there
)

// noCode is the code of an answer that has none.
const noCode = -1

// The codes that are looked at one by one.
const (
	codeNoData      = 5
	codeInvalidData = 6
	codeAckDisabled = 14
)

// codes has the status and the class of each code of an answer to events, and what
// to do about it.
var codes = [...]struct {
	status int
	class  class
	hint   string
}{
	0:  {200, classTaken, ""},
	1:  {403, classRefused, "the token is disabled: Settings > Data inputs > HTTP Event Collector"},
	2:  {401, classRefused, "something between removes the header Authorization"},
	3:  {401, classRefused, "token is not what a header can hold"},
	4:  {403, classRefused, "the collector does not know the token"},
	5:  {400, classConfig, "something between removes the body"},
	6:  {400, classEvent, ""},
	7:  {400, classIndex, "index does not exist, or the token may not write it"},
	8:  {500, classAmbiguous, ""},
	9:  {503, classRetry, ""},
	10: {400, classConfig, "the token has indexer acknowledgement: write ack: auto"},
	11: {400, classConfig, "something between changes the header X-Splunk-Request-Channel"},
	12: {400, classEvent, ""},
	13: {400, classEvent, ""},
	14: {400, classConfig, "the token has no indexer acknowledgement: enable it, or write ack: auto"},
	15: {400, classEvent, ""},
	16: {400, classConfig, "something between moves the token into the address"},
	17: {200, classAmbiguous, ""}, // an answer about health is none about events
	18: {503, classRetry, ""},
	19: {503, classRetry, ""},
	20: {503, classRetry, ""},
	21: {400, classRefused, "the collector does not know the token"},
	22: {400, classRefused, "the token is disabled: Settings > Data inputs > HTTP Event Collector"},
	23: {503, classRetry, ""},
	24: {200, classSlow, ""},
	25: {200, classSlow, ""},
	26: {429, classRetry, ""},
	27: {429, classRetry, ""},
	28: {400, classConfig, "the token has indexer acknowledgement: write ack: auto, and let the load balancer keep sessions on one indexer"},
}

// answer is a collector's.
type answer struct {
	*httpclient.Response
	code   int // noCode: none
	number int // of the event that is bad, -1: it does not say
	ack    int64
}

// read makes an answer of what came back.
func read(resp *httpclient.Response) *answer {
	a := &answer{Response: resp, code: noCode, number: -1, ack: -1}
	var body struct {
		Code   *int
		Number *int   `json:"invalid-event-number"`
		AckID  *int64 `json:"ackId"`
	}
	if json.Unmarshal(resp.Body, &body) != nil || body.Code == nil {
		return a
	}
	a.code = *body.Code
	if body.Number != nil && *body.Number >= 0 {
		a.number = *body.Number
	}
	if body.AckID != nil && *body.AckID >= 0 {
		a.ack = *body.AckID
	}
	return a
}

// known reports whether the answer has a code that there is, with its status.
func (a *answer) known() bool {
	return a.code >= 0 && a.code < len(codes) && codes[a.code].status == a.Status
}

// class returns what the answer means for events.
func (a *answer) class() class {
	if a.known() {
		return codes[a.code].class
	}
	// Not the collector's own words: a proxy's, or another version's.
	switch s := a.Status; {
	case s == http.StatusTooManyRequests:
		return classRetry
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		return classRefused
	case s == http.StatusRequestEntityTooLarge:
		return classLarge
	case s == http.StatusRequestTimeout || s == http.StatusConflict || s == http.StatusTooEarly:
		return classAmbiguous
	case s >= 300 && s <= 499:
		return classConfig
	}
	return classAmbiguous // also a 2xx that does not say success
}

// err returns the answer as an error, in the pipeline's classes. An answer of class
// taken has none.
func (a *answer) err() error {
	err := a.failure()
	switch a.class() {
	case classTaken, classSlow:
		return nil
	case classRetry:
		return &pipeline.ThrottledError{Err: err, After: httpclient.RetryAfter(a.Header, time.Now())}
	case classRefused:
		return pipeline.Permanent(fmt.Errorf("%w: %w", pipeline.ErrRefused, err))
	case classConfig, classIndex:
		return pipeline.Permanent(err)
	}
	return err
}

// failure describes the answer, with a hint where there is one.
func (a *answer) failure() error {
	err := error(&httpclient.StatusError{Status: a.Status, Message: a.Message()})
	if a.code != noCode {
		err = fmt.Errorf("%w (code %d)", err, a.code)
	}
	switch {
	case a.known() && codes[a.code].hint != "":
		return fmt.Errorf("%w; %s", err, codes[a.code].hint)
	case a.Status >= 300 && a.Status <= 399:
		return fmt.Errorf("%w; redirects are not followed: is url right?", err)
	case a.Status == http.StatusNotFound || a.Status == http.StatusMethodNotAllowed:
		return fmt.Errorf("%w; is url the collector, port 8088, and is HEC enabled in its global settings?", err)
	case a.Status == http.StatusUnsupportedMediaType:
		return fmt.Errorf("%w; something between does not take gzip: gzip: false", err)
	case a.Status >= 200 && a.Status <= 299:
		return fmt.Errorf("%w; this is not a collector's answer: is url right?", err)
	}
	return err
}

// clean makes err one after which delivering again is safe.
func clean(err error) error {
	var t *pipeline.ThrottledError
	if errors.As(err, &t) || pipeline.IsPermanent(err) {
		return err
	}
	return &pipeline.ThrottledError{Err: err}
}

// isClean reports whether nothing was taken, and another address may be tried.
func isClean(err error) bool {
	var t *pipeline.ThrottledError
	return errors.As(err, &t)
}
