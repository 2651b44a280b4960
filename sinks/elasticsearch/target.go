package elasticsearch

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"auditlog-connector/schemas/rawjson"
)

// streamPlace begins the place of a batch for a data stream. No index has a colon.
const streamPlace = "data_stream:"

// target is where the documents of a batch go: indices by the date of the event, or
// a data stream.
type target struct {
	place  string
	stream string // empty: indices
	parts  []part // of the index's name
	fields []byte // that every document has besides its schema's, with a comma at the end

	// The index of the day that was asked for last.
	day  int64
	name string
}

// part is a piece of an index's name: text, or the event's date in a layout.
type part struct{ text, layout string }

var placeholder = regexp.MustCompile(`%\{[^}]*\}?`)

// parseTarget reads what [Config.place] wrote.
func parseTarget(place string) (*target, error) {
	if stream, ok := strings.CutPrefix(place, streamPlace); ok {
		t := &target{place: place, stream: stream}
		if err := checkName(stream); err != nil {
			return nil, fmt.Errorf("data stream %q: %w", stream, err)
		}
		t.fields = streamFields(stream)
		return t, nil
	}
	t := &target{place: place, day: -1 << 62}
	for rest := place; rest != ""; {
		at := placeholder.FindStringIndex(rest)
		if at == nil {
			t.parts = append(t.parts, part{text: rest})
			break
		}
		if at[0] > 0 {
			t.parts = append(t.parts, part{text: rest[:at[0]]})
		}
		switch p := rest[at[0]:at[1]]; p {
		case "%{month}":
			t.parts = append(t.parts, part{layout: "2006.01"})
		case "%{date}":
			t.parts = append(t.parts, part{layout: "2006.01.02"})
		default:
			return nil, fmt.Errorf("index %q: %s is unknown: want %%{month} or %%{date}", place, p)
		}
		rest = rest[at[1]:]
	}
	if err := checkName(t.index(time.Unix(0, 0))); err != nil {
		return nil, fmt.Errorf("index %q: %w", place, err)
	}
	return t, nil
}

// checkName says what the server would not like about the name of an index.
func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("is empty")
	case len(name) > 255:
		return fmt.Errorf("is longer than 255 bytes")
	case strings.ContainsAny(name[:1], "-_+."):
		return fmt.Errorf("must not begin with %s", name[:1])
	case strings.ToLower(name) != name:
		return fmt.Errorf("must be lower case")
	case strings.ContainsAny(name, `\/*?"<>| ,#:%{}`) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }):
		return fmt.Errorf(`must not contain \ / * ? " < > | , # : %%, a space or what is not ASCII`)
	}
	return nil
}

// index returns the index of an event of the time at: a function of the event alone,
// so that a document sent again meets the first one.
func (t *target) index(at time.Time) string {
	if t.stream != "" {
		return t.stream
	}
	at = at.UTC()
	day := at.Unix() / 86400
	if at.Unix()%86400 < 0 {
		day--
	}
	if day == t.day {
		return t.name
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.layout == "" {
			b.WriteString(p.text)
		} else {
			b.WriteString(at.Format(p.layout))
		}
	}
	t.day, t.name = day, b.String()
	return t.name
}

// backing is what follows the stream's name in that of a backing index, which
// Elasticsearch dates and OpenSearch does not.
var backing = regexp.MustCompile(`^-(\d{4}\.\d{2}\.\d{2}-)?\d{6,}$`)

// holds reports whether a document of the time at belongs in index.
func (t *target) holds(index string, at time.Time) bool {
	if t.stream == "" {
		return index == t.index(at)
	}
	rest, ok := strings.CutPrefix(index, ".ds-"+t.stream)
	return ok && backing.MatchString(rest)
}

// pattern matches every index of the target, and name is what a template of it is
// called.
func (t *target) pattern() string {
	if t.stream != "" {
		return t.stream
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.layout == "" {
			b.WriteString(p.text)
		} else {
			b.WriteByte('*')
		}
	}
	return b.String()
}

func (t *target) templateName() string {
	name := strings.NewReplacer("-*", "", ".*", "", "*", "").Replace(t.pattern())
	return "connector-" + strings.Trim(name, "-._")
}

// streamFields are the fields by which Elastic's programs find a stream, if it is
// named as they name theirs.
func streamFields(stream string) []byte {
	dataset, namespace, ok := conventional(stream)
	if !ok {
		return nil
	}
	b := []byte(`"data_stream":{"type":"logs","dataset":`)
	b = rawjson.AppendString(b, dataset)
	b = append(b, `,"namespace":`...)
	b = rawjson.AppendString(b, namespace)
	return append(b, "},"...)
}

// conventional splits logs-DATASET-NAMESPACE.
func conventional(stream string) (dataset, namespace string, ok bool) {
	rest, ok := strings.CutPrefix(stream, "logs-")
	if !ok {
		return "", "", false
	}
	dataset, namespace, ok = strings.Cut(rest, "-")
	return dataset, namespace, ok && dataset != "" && namespace != "" && !strings.Contains(namespace, "-")
}
