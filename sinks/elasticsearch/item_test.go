package elasticsearch

import (
	"strings"
	"testing"
)

func TestItemClasses(t *testing.T) {
	// What real servers were seen to say of single documents.
	for _, tc := range []struct {
		status int
		kind   string
		result string
		want   class
	}{
		{201, "", "created", classCreated},
		{201, "", "", classCreated},
		{200, "", "noop", classReject},
		{200, "", "updated", classUnknown},
		{201, "", "updated", classUnknown},
		{409, "version_conflict_engine_exception", "", classThere},
		{409, "something_else", "", classUnknown},
		{400, "mapper_parsing_exception", "", classReject},
		{400, "document_parsing_exception", "", classReject},
		{400, "strict_dynamic_mapping_exception", "", classReject},
		{400, "illegal_argument_exception", "", classReject},
		{400, "script_exception", "", classReject},
		{413, "", "", classReject},
		{400, "index_closed_exception", "", classTarget},
		{404, "index_not_found_exception", "", classTarget},
		{400, "invalid_index_name_exception", "", classTarget},
		{400, "validation_exception", "", classTarget},
		{400, "routing_missing_exception", "", classTarget},
		{404, "something_else", "", classTarget},
		{405, "", "", classTarget},
		{403, "cluster_block_exception", "", classTarget},
		{403, "security_exception", "", classRefused},
		{401, "", "", classRefused},
		{429, "cluster_block_exception", "", classWait},
		{429, "rejected_execution_exception", "", classWait},
		{429, "es_rejected_execution_exception", "", classWait},
		{503, "unavailable_shards_exception", "", classWait},
		{500, "fail_processor_exception", "", classReject},
		{500, "null_pointer_exception", "", classUnknown},
		{504, "", "", classUnknown},
		{0, "", "", classUnknown},
	} {
		it := item{Status: tc.status, Result: tc.result}
		it.Error.Type = tc.kind
		if got := it.class(); got != tc.want {
			t.Errorf("%d %s %s: class %d, want %d", tc.status, tc.kind, tc.result, got, tc.want)
		}
	}
	if got := (&item{Status: 201, Result: "created", FailureStore: "used"}).class(); got != classReject {
		t.Errorf("in the failure store: class %d, want rejected", got)
	}
}

// What is wrong with the index may share its type with what is wrong with a document:
// the whole of the words decides, and never those of the document.
func TestItemsThatTheirWordsTellApart(t *testing.T) {
	const argument, state = "illegal_argument_exception", "illegal_state_exception"
	const gone = "pipeline with id [audit] does not exist"
	for _, tc := range []struct {
		status       int
		kind, reason string
		want         class
	}{
		{400, argument, gone, classTarget},
		{400, argument, "no write index is defined for alias [audit]. The write index may be explicitly disabled using is_write_index=false " +
			"or the alias points to multiple indices without one being designated as a write index", classTarget},
		{400, argument, "Validation Failed: 1: this action would add [3] shards, but this cluster currently has [56]/[1] maximum index shards open; " +
			"for more information, see https://www.example.com/docs?version=current#max-shards-open;", classTarget},
		{500, state, "Pipeline processor configured for non-existent pipeline [audit]", classTarget},

		{400, argument, "unable to convert [" + gone + "] to integer", classReject},
		{400, argument, "field [x] doesn't exist", classReject},
		{400, argument, "Validation Failed: 1: this action would add [x", classReject},
		{400, argument, "pipeline with id [" + gone + "] does not exist", classReject},
		{400, argument, gone + "\n", classReject},
		{400, argument, "x\n" + gone, classReject},
		{400, argument, "Limit of total fields [1] has been exceeded", classReject},
		{400, "mapper_parsing_exception", gone, classReject},
		{400, "script_exception", gone, classReject},
		{500, "fail_processor_exception", gone, classReject},
		{500, state, gone, classUnknown},
		{500, argument, gone, classUnknown},
	} {
		it := item{Status: tc.status}
		it.Error.Type, it.Error.Reason = tc.kind, tc.reason
		if got := it.class(); got != tc.want {
			t.Errorf("%d %s %q: class %d, want %d", tc.status, tc.kind, tc.reason, got, tc.want)
		}
		if text := it.err("acme:1").Error(); strings.Contains(text, "[") {
			t.Errorf("the server's words are shown: %s", text)
		}
	}
}

func TestItemErrorIsShortAndOnOneLine(t *testing.T) {
	it := item{Status: 400}
	it.Error.Type = "x\n" + strings.Repeat("y", 5000)
	if text := it.err("acme:a\nb").Error(); strings.Contains(text, "\n") || len(text) > 1000 {
		t.Errorf("%d bytes: %q", len(text), text)
	}
}
