package elasticsearch

import (
	"errors"
	"fmt"
	"net/http"

	"auditlog-connector/internal/httpclient"
)

// item is what a bulk answer says of one document.
type item struct {
	Index        string `json:"_index"`
	ID           string `json:"_id"`
	Status       int    `json:"status"`
	Result       string `json:"result"`
	FailureStore string `json:"failure_store"` // "used": it went there instead
	Error        struct {
		Type string `json:"type"`
	} `json:"error"`
}

// class is what an item means for its document.
type class int

const (
	classCreated class = iota
	classThere         // it was there already
	classWait          // not taken now: the same document again, later
	classReject        // this document never
	classRefused       // no document, as long as the credentials are what they are
	classTarget        // no document, as long as the index is what it is
	classUnknown       // nobody knows
)

// Types of errors that decide. The others are told apart by status.
const (
	errConflict   = "version_conflict_engine_exception"
	errBlock      = "cluster_block_exception"
	errClosed     = "index_closed_exception"
	errMissing    = "index_not_found_exception"
	errPrivilege  = "security_exception"
	errFailed     = "fail_processor_exception"
	resultCreated = "created"
	resultNoop    = "noop"
)

// class returns what the item means.
func (it *item) class() class {
	switch s, e := it.Status, it.Error.Type; {
	case it.FailureStore == "used":
		return classReject
	case s == http.StatusCreated && (it.Result == resultCreated || it.Result == ""):
		return classCreated
	case s == http.StatusConflict && e == errConflict:
		return classThere
	case s == http.StatusOK && it.Result == resultNoop:
		return classReject
	case e == errClosed, e == errMissing:
		return classTarget
	case s == http.StatusForbidden && e == errBlock:
		return classTarget
	case refused(s), e == errPrivilege:
		return classRefused
	case s == http.StatusTooManyRequests, s == http.StatusServiceUnavailable:
		return classWait
	case s == http.StatusInternalServerError && e == errFailed:
		return classReject
	case s >= 400 && s <= 499 && s != http.StatusConflict && s != http.StatusRequestTimeout:
		return classReject
	}
	return classUnknown
}

// err describes the item, by status, type and id: the server's words quote what is
// in the document.
func (it *item) err(id string) error {
	text := fmt.Sprintf("HTTP %d", it.Status)
	if it.Error.Type != "" {
		text += " " + httpclient.Short(it.Error.Type)
	}
	text += ", _id " + httpclient.Short(id)
	switch c := it.class(); {
	case it.FailureStore == "used":
		text += ": the stream's failure store has it, the stream does not"
	case it.Result == resultNoop:
		text += ": an ingest pipeline dropped it"
	case it.Error.Type == errClosed:
		text += "; open the index " + it.Index
	case it.Error.Type == errMissing:
		text += "; the index is not there and may not be made: see action.auto_create_index"
	case c == classTarget:
		text += "; the index has a write block: take it off (index.blocks.write, index.blocks.read_only)"
	case c == classWait && it.Error.Type == errBlock:
		text += "; the disk is full (flood stage): make room, the block then goes"
	case c == classRefused:
		text += "; the API key or user needs create_doc and auto_configure on " + it.Index
	}
	return errors.New(text)
}
