package elasticsearch

import (
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
)

// testMisconfigured delivers to indices at which something is wrong that no document
// is to blame for: the lane halts, says what to do, and goes on when it is done.
func testMisconfigured(t *testing.T, s *testserver.OpenSearch) {
	s.Must(t, "PUT", "/_ingest/pipeline/calling", `{"processors":[{"pipeline":{"name":"not-there"}}]}`)
	const cluster = "/_cluster/settings"
	for _, tc := range []struct {
		index       string
		path, wrong string // what puts it wrong
		want        string
		again, mend string // what puts it right, if it can be
	}{
		{"no-pipeline", "/no-pipeline", `{"settings":{"default_pipeline":"not-there"}}`, "default_pipeline", "/no-pipeline/_settings", `{"index.default_pipeline":null}`},
		{"no-final", "/no-final", `{"settings":{"final_pipeline":"not-there"}}`, "final_pipeline", "/no-final/_settings", `{"index.final_pipeline":null}`},
		{"calling", "/calling", `{"settings":{"default_pipeline":"calling"}}`, "calls one that is not there", "/calling/_settings", `{"index.default_pipeline":null}`},
		{"routed", "/routed", `{"mappings":{"_routing":{"required":true}}}`, "requires a routing", "", ""},
		{"an-alias", "/behind-an-alias", `{"aliases":{"an-alias":{"is_write_index":false}}}`, "alias without a write index", "", ""},
		{"one-too-many", cluster, `{"persistent":{"cluster.max_shards_per_node":"1"}}`, "max_shards_per_node", cluster, `{"persistent":{"cluster.max_shards_per_node":null}}`},
		{"not-now", cluster, `{"persistent":{"cluster.blocks.read_only":true}}`, "cluster.blocks.read_only", cluster, `{"persistent":{"cluster.blocks.read_only":null}}`},
	} {
		s.Must(t, "PUT", tc.path, tc.wrong)
		k := openReal(t, s, func(c *Config) { c.Index, c.InstallTemplate = tc.index, false })
		b := batch(k, 1, 3, day, time.Second)
		if err := k.Deliver(t.Context(), b); !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want a permanent error with %q", tc.index, err, tc.want)
		}
		if tc.mend == "" {
			continue
		}
		s.Must(t, "PUT", tc.again, tc.mend)
		if err := k.Deliver(t.Context(), b); err != nil {
			t.Errorf("%s, mended: %v", tc.index, err)
		}
		there(t, s, tc.index, b)
	}
}
