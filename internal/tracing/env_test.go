package tracing

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func readEnv(vars map[string]string) (settings, []warning) {
	e := &environment{lookup: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }}
	s := e.read()
	return s, e.warnings
}

func TestTracesAreOffUnlessAskedFor(t *testing.T) {
	for name, tt := range map[string]struct {
		vars map[string]string
		on   bool
	}{
		"nothing is set":             {nil, false},
		"an exporter":                {map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true},
		"no exporter":                {map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, false},
		"an endpoint":                {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, true},
		"an endpoint for traces":     {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318"}, true},
		"an endpoint for metrics":    {map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318"}, false},
		"an empty endpoint":          {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, false},
		"only a name":                {map[string]string{"OTEL_SERVICE_NAME": "audit", "OTEL_TRACES_SAMPLER": "always_on"}, false},
		"disabled":                   {map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "TRUE"}, false},
		"not disabled":               {map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "false"}, true},
		"the protocol that there is": {map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, warnings := readEnv(tt.vars)
			if s.on != tt.on || len(warnings) > 0 {
				t.Errorf("on = %v, want %v; warnings %v", s.on, tt.on, warnings)
			}
		})
	}
}

func TestEndpoint(t *testing.T) {
	for name, tt := range map[string]struct {
		vars map[string]string
		want string
	}{
		"default":              {map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, "http://localhost:4318/v1/traces"},
		"base":                 {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c.example"}, "https://c.example/v1/traces"},
		"base with a path":     {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c.example/otlp/"}, "https://c.example/otlp/v1/traces"},
		"for traces, as it is": {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:1/x", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://d:2"}, "http://c:1/x"},
	} {
		t.Run(name, func(t *testing.T) {
			s, warnings := readEnv(tt.vars)
			if s.endpoint != tt.want || len(warnings) > 0 {
				t.Errorf("got %q, want %q; %v", s.endpoint, tt.want, warnings)
			}
		})
	}
}

// A broken variable is named, what may be a secret is not repeated, and traces go
// nowhere else than where they were meant to go.
func TestBrokenVariables(t *testing.T) {
	const secret = "tok3n-of-nobody"
	missing := filepath.Join(t.TempDir(), "missing.pem")
	for _, tt := range []struct {
		name, value string
		on          bool
	}{
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", false},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://" + secret + ":%zz@c", false},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:" + secret + "@c:4318", false},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "grpc://c:4317", false},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", false},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", false},
		{"OTEL_EXPORTER_OTLP_HEADERS", secret, false},
		{"OTEL_EXPORTER_OTLP_HEADERS", "x-key=" + secret + "%zz", false},
		{"OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%0d%0a" + secret, false},
		{"OTEL_EXPORTER_OTLP_HEADERS", "Bearer " + secret + "=", false},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", false},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", missing, false},
		{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", missing, false},
		{"OTEL_TRACES_EXPORTER", "zipkin", false},
		{"OTEL_SDK_DISABLED", "yes", true},
		{"OTEL_TRACES_SAMPLER", "jaeger_remote", true},
		{"OTEL_TRACES_SAMPLER", "parentbased_", true},
		{"OTEL_RESOURCE_ATTRIBUTES", "team", true},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", true},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "99999999999", true},
		{"OTEL_BSP_SCHEDULE_DELAY", "-1", true},
		{"OTEL_SPAN_LINK_COUNT_LIMIT", "many", true},
	} {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			vars := map[string]string{"OTEL_TRACES_EXPORTER": "otlp", tt.name: tt.value}
			s, warnings := readEnv(vars)
			if s.on != tt.on {
				t.Errorf("on = %v, want %v", s.on, tt.on)
			}
			if len(warnings) != 1 || warnings[0].variable != tt.name {
				t.Fatalf("warnings %+v, want one that names %s", warnings, tt.name)
			}
			if off := strings.Contains(warnings[0].problem, "traces are off"); off == tt.on {
				t.Errorf("it does not say whether traces are off: %s", warnings[0].problem)
			}
			if strings.Contains(warnings[0].problem, secret) {
				t.Errorf("it repeats a secret: %s", warnings[0].problem)
			}
		})
	}
	if _, warnings := readEnv(map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"}); len(warnings) != 1 || warnings[0].variable != "OTEL_TRACES_SAMPLER_ARG" {
		t.Errorf("warnings %v", warnings)
	}
}

func TestSamplers(t *testing.T) {
	for name, want := range map[string]string{
		"": "ParentBased{root:AlwaysOnSampler", "always_on": "AlwaysOnSampler", "always_off": "AlwaysOffSampler", "traceidratio": "TraceIDRatioBased{0.25}",
		"parentbased_always_on": "ParentBased{root:AlwaysOnSampler", "parentbased_always_off": "ParentBased{root:AlwaysOffSampler",
		"parentbased_traceidratio": "ParentBased{root:TraceIDRatioBased{0.25}",
	} {
		s, warnings := readEnv(map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": "0.25"})
		if got := s.sampler.Description(); !strings.HasPrefix(got, want) || len(warnings) > 0 {
			t.Errorf("%q: got %s, want %s…; %v", name, got, want, warnings)
		}
	}
}

func TestVariablesForTracesGoFirst(t *testing.T) {
	s, warnings := readEnv(map[string]string{
		"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TIMEOUT": "1", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "2",
		"OTEL_EXPORTER_OTLP_HEADERS": "a=1", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "authorization=Basic%20eA==, x-team = audit ,",
		"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_BSP_MAX_QUEUE_SIZE": "10", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "20",
	})
	if len(warnings) > 0 {
		t.Fatal(warnings)
	}
	if want := []pair{{"authorization", "Basic eA=="}, {"x-team", "audit"}}; !slices.Equal(s.headers, want) {
		t.Errorf("headers %v, want %v", s.headers, want)
	}
	if s.timeout != 2 || !s.gzip || s.queue != 10 || s.batch != 10 {
		t.Errorf("timeout %d, gzip %v, queue %d, batch %d", s.timeout, s.gzip, s.queue, s.batch)
	}
}

func TestResource(t *testing.T) {
	described := func(vars map[string]string) map[string]string {
		vars["OTEL_TRACES_EXPORTER"] = "otlp"
		s, _ := readEnv(vars)
		got := make(map[string]string)
		for _, kv := range s.describe("1.2.3").Attributes() {
			if !strings.HasPrefix(string(kv.Key), "telemetry.sdk.") {
				got[string(kv.Key)] = kv.Value.AsString()
			}
		}
		return got
	}
	for _, tt := range []struct{ vars, want map[string]string }{
		{map[string]string{}, map[string]string{"service.name": "auditlog-connector", "service.version": "1.2.3"}},
		{
			map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "service.name=audit,broken,k8s.pod.name=connector-0,team=a%2Cb"},
			map[string]string{"service.name": "audit", "service.version": "1.2.3", "k8s.pod.name": "connector-0", "team": "a,b"},
		},
		{
			map[string]string{"OTEL_SERVICE_NAME": "named", "OTEL_RESOURCE_ATTRIBUTES": "service.name=audit,service.version=9"},
			map[string]string{"service.name": "named", "service.version": "9"},
		},
	} {
		if got := described(tt.vars); !maps.Equal(got, tt.want) {
			t.Errorf("got %v, want %v", got, tt.want)
		}
	}
}
