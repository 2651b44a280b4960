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
		{413, "", "", classReject},
		{400, "index_closed_exception", "", classTarget},
		{404, "index_not_found_exception", "", classTarget},
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

func TestItemErrorIsShortAndOnOneLine(t *testing.T) {
	it := item{Status: 400}
	it.Error.Type = "x\n" + strings.Repeat("y", 5000)
	if text := it.err("acme:a\nb").Error(); strings.Contains(text, "\n") || len(text) > 1000 {
		t.Errorf("%d bytes: %q", len(text), text)
	}
}
