package openai

import (
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"auditlog-connector/pipeline"
	"auditlog-connector/sources"
)

func TestUseOfTheBudgetIsMeasured(t *testing.T) {
	reg := prometheus.NewRegistry()
	answers := server(func(*http.Request) (int, http.Header, string) { return 200, nil, `{"data":[],"has_more":false}` })
	s := openSource(t, func(c *Config) { c.RequestsPerSecond = 5 }, sources.Env{Registerer: reg, Transport: answers})
	for range 2 {
		if _, err := s.Page(t.Context(), pipeline.PageRequest{Stream: StreamOrganization}); err != nil {
			t.Fatal(err)
		}
	}
	want := `
# HELP connector_source_request_budget Requests a second that the configuration allows.
# TYPE connector_source_request_budget gauge
connector_source_request_budget 5
# HELP connector_source_requests_total Requests that the budget let go.
# TYPE connector_source_requests_total counter
connector_source_requests_total 2
# HELP connector_source_requests_waiting Requests that wait for their turn in the budget.
# TYPE connector_source_requests_waiting gauge
connector_source_requests_waiting 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
