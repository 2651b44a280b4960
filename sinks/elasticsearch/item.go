package elasticsearch

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"

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
		Type   string `json:"type"`
		Reason string `json:"reason"` // only compared, and never shown: it quotes what documents hold
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
	errName       = "invalid_index_name_exception"
	errShards     = "validation_exception"
	errRouting    = "routing_missing_exception"
	errPrivilege  = "security_exception"
	errFailed     = "fail_processor_exception"
	resultCreated = "created"
	resultNoop    = "noop"
)

const hintShards = "the index cannot be made: see cluster.max_shards_per_node, and how many indices there are"

// hints are for errors that are not the document's fault, by their types.
var hints = map[string]string{
	errClosed:  "open the index",
	errMissing: "the index is not there and may not be made: see action.auto_create_index",
	errName:    "the server has no such names: choose another index",
	errShards:  hintShards,
	errRouting: "its mapping requires a routing, which the connector does not send: take it out",
}

// reasons are errors that share their type with those of bad documents. A reason is
// such a one only if all of it is: others quote what is in the document.
var reasons = []struct {
	status     int
	kind, hint string
	whole      *regexp.Regexp
}{
	{
		http.StatusBadRequest, "illegal_argument_exception", "index.default_pipeline or index.final_pipeline names an ingest pipeline that is not there",
		regexp.MustCompile(`^pipeline with id \[[^\[\]]+\] does not exist$`),
	},
	{
		http.StatusInternalServerError, "illegal_state_exception", "its ingest pipeline calls one that is not there",
		regexp.MustCompile(`^Pipeline processor configured for non-existent pipeline \[[^\[\]]+\]$`),
	},
	{
		http.StatusBadRequest, "illegal_argument_exception", "it is an alias without a write index: write the name of an index",
		regexp.MustCompile(`^no write index is defined for alias \[[^\[\]]+\]\. The write index may be explicitly disabled [a-z_=, ]+$`),
	},
	{ // of some versions; others have a type for it
		http.StatusBadRequest, "illegal_argument_exception", hintShards,
		regexp.MustCompile(`^Validation Failed: 1: this action would add \[\d+\] [A-Za-z_ ]*shards, but this cluster currently has \[\d+\]/\[\d+\] maximum [A-Za-z_ ]*shards open;( for more information, see [!-~]+)?$`),
	},
}

// hint returns what to do about the index if it, not the document, is at fault, or "".
func (it *item) hint() string {
	if h := hints[it.Error.Type]; h != "" {
		return h
	}
	if it.Status == http.StatusForbidden && it.Error.Type == errBlock {
		return "the index has a write block: take it off (index.blocks.write, index.blocks.read_only)"
	}
	for _, r := range reasons {
		if it.Status == r.status && it.Error.Type == r.kind && r.whole.MatchString(it.Error.Reason) {
			return r.hint
		}
	}
	return ""
}

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
	case it.hint() != "":
		return classTarget
	case refused(s), e == errPrivilege:
		return classRefused
	case s == http.StatusTooManyRequests, s == http.StatusServiceUnavailable:
		return classWait
	case s == http.StatusInternalServerError && e == errFailed:
		return classReject
	case s == http.StatusBadRequest, s == http.StatusRequestEntityTooLarge:
		return classReject
	case s >= 400 && s <= 499 && s != http.StatusConflict && s != http.StatusRequestTimeout:
		return classTarget // whatever it is, a document is not known to cause it
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
	case c == classTarget:
		text += "; index " + httpclient.Short(it.Index)
		if h := it.hint(); h != "" {
			text += ": " + h
		}
	case c == classWait && it.Error.Type == errBlock:
		text += "; the disk is full (flood stage): make room, the block then goes"
	case c == classRefused:
		text += "; the API key or user needs create_doc and auto_configure on " + it.Index
	}
	return errors.New(text)
}
