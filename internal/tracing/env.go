package tracing

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"auditlog-connector/internal/httpclient"
)

// settings are what the environment asks for.
type settings struct {
	collector
	on          bool
	serviceName string // empty: not named
	resource    []pair
	sampler     sdktrace.Sampler
	limits      sdktrace.SpanLimits
	delay       int // milliseconds between two exports
	queue       int // finished items that are kept
	batch       int // of them sent at once
	export      int // milliseconds for one export
}

// collector is where traces go, and how.
type collector struct {
	endpoint string
	headers  []pair
	tls      httpclient.TLS
	timeout  int // milliseconds for one export, repeated requests included
	gzip     bool
}

// mostQueued bounds what a variable can make the process hold.
const mostQueued = 1 << 17

// environment reads variables and collects what is wrong with them. A variable that
// is empty counts as not set.
type environment struct {
	lookup   func(string) (string, bool)
	warnings []warning
}

// warning is what is wrong with one variable. The problem does not quote what may be
// a secret.
type warning struct{ variable, problem string }

func (e *environment) get(name string) string {
	value, _ := e.lookup(name)
	return strings.TrimSpace(value)
}

func (e *environment) warn(name, format string, args ...any) {
	e.warnings = append(e.warnings, warning{name, fmt.Sprintf(format, args...)})
}

// otlp returns the variable of the exporter with this ending, the one for traces
// first, and its value.
func (e *environment) otlp(ending string) (name, value string) {
	for _, name = range []string{"OTEL_EXPORTER_OTLP_TRACES_" + ending, "OTEL_EXPORTER_OTLP_" + ending} {
		if value = e.get(name); value != "" {
			return name, value
		}
	}
	return name, ""
}

// read returns what the variables ask for. A variable that says where traces go and
// cannot be understood switches them off: they must not go elsewhere. For any other
// the default is used.
func (e *environment) read() settings {
	s := settings{sampler: sdktrace.ParentBased(sdktrace.AlwaysSample()), limits: defaultLimits(), delay: 5000, queue: 2048, batch: 512, export: 30_000}
	s.timeout = 10_000
	if !e.wanted() {
		return s
	}
	before := len(e.warnings)
	e.destination(&s.collector)
	s.on = len(e.warnings) == before
	e.readSampler(&s.sampler)
	e.readNumbers(&s)
	s.serviceName = e.get("OTEL_SERVICE_NAME")
	var err error
	if s.resource, err = pairs(e.get("OTEL_RESOURCE_ATTRIBUTES")); err != nil {
		e.warn("OTEL_RESOURCE_ATTRIBUTES", "%v; the others are used", err)
	}
	return s
}

// wanted reports whether traces are asked for.
func (e *environment) wanted() bool {
	switch disabled := e.get("OTEL_SDK_DISABLED"); strings.ToLower(disabled) {
	case "true":
		return false
	case "", "false":
	default:
		e.warn("OTEL_SDK_DISABLED", "%.40q is neither true nor false; it counts as false", disabled)
	}
	switch exporter := e.get("OTEL_TRACES_EXPORTER"); exporter {
	case "otlp":
		return true
	case "none":
		return false
	case "":
		_, endpoint := e.otlp("ENDPOINT")
		return endpoint != ""
	default:
		e.warn("OTEL_TRACES_EXPORTER", "%.40q is not known, traces are off; known: otlp, none", exporter)
		return false
	}
}

// destination reads where traces go. Whatever it warns of means that they are off.
func (e *environment) destination(c *collector) {
	if name, protocol := e.otlp("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		e.warn(name, "%.40q is not supported, traces are off; set http/protobuf and the collector's port for it, usually 4318", protocol)
	}
	name, text := e.otlp("ENDPOINT")
	if text == "" {
		text = "http://localhost:4318"
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		e.warn(name, "it is not an address, traces are off; want http://HOST:PORT or https://HOST:PORT")
		return
	case u.User != nil:
		e.warn(name, "it holds credentials, traces are off; put them into OTEL_EXPORTER_OTLP_HEADERS")
		return
	case !strings.HasSuffix(name, "_TRACES_ENDPOINT"):
		u = u.JoinPath("v1/traces")
	}
	c.endpoint = u.String()
	name, text = e.otlp("HEADERS")
	if c.headers, err = pairs(text); err != nil {
		e.warn(name, "%v, traces are off; want name=value,name=value", err)
	}
	if !sendable(c.headers) {
		e.warn(name, "a name or value cannot be sent as a header, traces are off")
	}
	name, c.tls.CAFile = e.otlp("CERTIFICATE")
	e.usable(name, httpclient.TLS{CAFile: c.tls.CAFile})
	name, c.tls.CertFile = e.otlp("CLIENT_CERTIFICATE")
	_, c.tls.KeyFile = e.otlp("CLIENT_KEY")
	e.usable(name, httpclient.TLS{CertFile: c.tls.CertFile, KeyFile: c.tls.KeyFile})
	switch name, text = e.otlp("COMPRESSION"); text {
	case "", "none":
	case "gzip":
		c.gzip = true
	default:
		e.warn(name, "%.40q is not known, traces are off; known: gzip, none", text)
	}
}

// usable warns if the files that name stands for cannot be used.
func (e *environment) usable(name string, files httpclient.TLS) {
	if (files.CertFile == "") != (files.KeyFile == "") {
		e.warn(name, "it and OTEL_EXPORTER_OTLP_CLIENT_KEY belong together, traces are off")
	} else if _, err := files.Config(); err != nil {
		e.warn(name, "traces are off: %v", err)
	}
}

// sendable reports whether headers can be sent.
func sendable(headers []pair) bool {
	for _, h := range headers {
		odd := func(c rune) bool {
			return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.", c))
		}
		if strings.ContainsFunc(h.name, odd) || strings.ContainsFunc(h.value, unicode.IsControl) {
			return false
		}
	}
	return true
}

// readSampler reads which traces are made.
func (e *environment) readSampler(s *sdktrace.Sampler) {
	name := strings.ToLower(e.get("OTEL_TRACES_SAMPLER"))
	root, ofParent := strings.CutPrefix(name, "parentbased_")
	var sampler sdktrace.Sampler
	switch root {
	case "":
		if name == "" {
			return
		}
	case "always_on":
		sampler = sdktrace.AlwaysSample()
	case "always_off":
		sampler = sdktrace.NeverSample()
	case "traceidratio":
		sampler = sdktrace.TraceIDRatioBased(e.ratio())
	}
	switch {
	case sampler == nil:
		e.warn("OTEL_TRACES_SAMPLER", "%.40q is not known; parentbased_always_on is used", name)
	case ofParent:
		*s = sdktrace.ParentBased(sampler)
	default:
		*s = sampler
	}
}

func (e *environment) ratio() float64 {
	const name = "OTEL_TRACES_SAMPLER_ARG"
	text := e.get(name)
	if text == "" {
		return 1
	}
	ratio, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(ratio) || ratio < 0 || ratio > 1 {
		e.warn(name, "%.40q is not a number from 0 to 1; 1 is used", text)
		return 1
	}
	return ratio
}

// defaultLimits are what the specification says.
func defaultLimits() sdktrace.SpanLimits {
	return sdktrace.SpanLimits{
		AttributeValueLengthLimit: -1, AttributeCountLimit: 128, EventCountLimit: 128, LinkCountLimit: 128,
		AttributePerEventCountLimit: 128, AttributePerLinkCountLimit: 128,
	}
}

// readNumbers reads the variables that are whole numbers.
func (e *environment) readNumbers(s *settings) {
	l := &s.limits
	for _, v := range []struct {
		name  string
		value *int
		least int
		most  int
	}{
		{"OTEL_EXPORTER_OTLP_TIMEOUT", &s.timeout, 1, math.MaxInt32},
		{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", &s.timeout, 1, math.MaxInt32},
		{"OTEL_BSP_SCHEDULE_DELAY", &s.delay, 1, math.MaxInt32},
		{"OTEL_BSP_EXPORT_TIMEOUT", &s.export, 1, math.MaxInt32},
		{"OTEL_BSP_MAX_QUEUE_SIZE", &s.queue, 1, mostQueued},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", &s.batch, 1, mostQueued},
		{"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", &l.AttributeValueLengthLimit, 0, math.MaxInt32},
		{"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", &l.AttributeValueLengthLimit, 0, math.MaxInt32},
		{"OTEL_ATTRIBUTE_COUNT_LIMIT", &l.AttributeCountLimit, 0, math.MaxInt32},
		{"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", &l.AttributeCountLimit, 0, math.MaxInt32},
		{"OTEL_SPAN_EVENT_COUNT_LIMIT", &l.EventCountLimit, 0, math.MaxInt32},
		{"OTEL_SPAN_LINK_COUNT_LIMIT", &l.LinkCountLimit, 0, math.MaxInt32},
		{"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", &l.AttributePerEventCountLimit, 0, math.MaxInt32},
		{"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", &l.AttributePerLinkCountLimit, 0, math.MaxInt32},
	} {
		text := e.get(v.name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < v.least || n > v.most {
			e.warn(v.name, "%.40q is not a whole number from %d to %d; %d is used", text, v.least, v.most, *v.value)
			continue
		}
		*v.value = n
	}
	s.batch = min(s.batch, s.queue)
}

// pair is a name and a value.
type pair struct{ name, value string }

// pairs reads name=value,name=value with values in percent encoding. It returns what
// it can read, and an error, which quotes nothing, if something cannot be read.
func pairs(text string) ([]pair, error) {
	var list []pair
	var wrong error
	for part := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || name == "" || err != nil {
			wrong = errors.New("a part of it is not name=value")
			continue
		}
		list = append(list, pair{name, value})
	}
	return list, wrong
}
