package main

import (
	"cmp"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"auditlog-connector/internal/strictyaml"
)

// configDecoder checks what was decoded against the rules that no type can
// express, and decodes the blocks of sources and sinks.
type configDecoder struct {
	app      *app
	root     *yaml.Node
	x        *strictyaml.Expander
	s        *settings
	problems []strictyaml.Problem
}

// add reports an error about path, unless something is wrong there already.
func (d *configDecoder) add(path, hint, format string, args ...any) {
	d.report(strictyaml.Field(path, format, args...).WithHint(hint))
}

// warn reports a warning about path.
func (d *configDecoder) warn(path, hint, format string, args ...any) {
	e := strictyaml.Field(path, format, args...).WithHint(hint)
	e.Warning = true
	d.report(e)
}

func (d *configDecoder) report(errs ...error) {
	for _, p := range strictyaml.Problems(d.root, "", errs...) {
		said := slices.ContainsFunc(d.problems, func(q strictyaml.Problem) bool {
			return !q.Warning && within(p.Path, q.Path)
		})
		if !said {
			d.problems = append(d.problems, p)
		}
	}
}

// within reports whether path lies at or below other.
func within(path, other string) bool {
	rest, ok := strings.CutPrefix(path, other)
	return ok && (rest == "" || other == "" || rest[0] == '.' || rest[0] == '[')
}

// sortProblems puts problems in the order of the file, those without a place last.
func sortProblems(problems []strictyaml.Problem) {
	place := func(p strictyaml.Problem) int { return cmp.Or(p.Line, 1<<30) }
	slices.SortStableFunc(problems, func(p, q strictyaml.Problem) int {
		return cmp.Or(cmp.Compare(place(p), place(q)), cmp.Compare(p.Column, q.Column))
	})
}

// general checks everything but sources and sinks.
func (d *configDecoder) general() {
	f := &d.s.file
	p := f.Pipeline
	for _, v := range []struct {
		key   string
		value time.Duration
		least time.Duration
	}{
		{"poll_interval", p.PollInterval, time.Second},
		{"recent", p.Recent, time.Second},
		{"sweep_interval", p.SweepInterval, time.Second},
		{"overlap", p.Overlap, 0},
		{"drain_timeout", p.DrainTimeout, 0},
	} {
		switch {
		case v.value < 0:
			d.add("pipeline."+v.key, "", "is negative")
		case v.value < v.least:
			d.add("pipeline."+v.key, "", "is shorter than %s", v.least)
		}
	}
	if p.Overlap >= 0 && p.Overlap < p.SweepInterval {
		d.warn("pipeline.overlap", "an entry that appears later than this after its time is lost; the default is 24h",
			"%s is shorter than sweep_interval (%s)", short(p.Overlap), short(p.SweepInterval))
	}
	if f.Checkpoint.Type != "file" {
		d.add("checkpoint.type", "known: file", "unknown type %q", f.Checkpoint.Type)
	}
	if f.Checkpoint.Path == "" {
		d.add("checkpoint.path", "", "is empty")
	}
	d.http(f.HTTP)
	if _, err := parseLevel(f.Log.Level); err != nil {
		d.add("log.level", "", "%v", err)
	}
	if formats := []string{"auto", "text", "json"}; !slices.Contains(formats, f.Log.Format) {
		d.add("log.format", strictyaml.DidYouMean(f.Log.Format, formats), "unknown format %q", f.Log.Format)
	}
}

// short returns d without the units that are zero: 1h, not 1h0m0s.
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

func (d *configDecoder) http(c httpConfig) {
	if c.Listen != "" {
		if _, port, err := net.SplitHostPort(c.Listen); err != nil {
			d.add("http.listen", "write host:port, such as 127.0.0.1:9464; empty turns it off", "not an address: %q", c.Listen)
		} else if n, err := strconv.ParseUint(port, 10, 16); err != nil {
			d.add("http.listen", "a number up to 65535", "not a port: %q", port)
		} else if n == 0 {
			d.warn("http.listen", "", "port 0 is another one at every start")
		}
	}
	if t := c.TLS; t != nil {
		if t.CertFile == "" {
			d.add("http.tls.cert_file", "", "is missing")
		}
		if t.KeyFile == "" {
			d.add("http.tls.key_file", "", "is missing")
		}
	}
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// name checks the name of the i-th element of list ("sources" or "sinks").
func (d *configDecoder) name(list string, i int, name string, first map[string]int) {
	path := strictyaml.Index(list, i) + ".name"
	switch j, twice := first[name]; {
	case name == "":
		d.add(path, "it becomes part of every lane; never change it later", "is missing")
	case !namePattern.MatchString(name):
		d.add(path, "lower-case letters, digits and -, not - first", "not a name: %q", name)
	case twice:
		line, _ := strictyaml.Position(d.root, strictyaml.Index(list, j)+".name")
		d.add(path, "first on line "+strconv.Itoa(line), "duplicate name %q", name)
	default:
		first[name] = i
	}
}

func (d *configDecoder) sources() {
	if len(d.s.file.Sources) == 0 {
		d.add("sources", "", "there is no source")
	}
	first := make(map[string]int)
	for i, c := range d.s.file.Sources {
		path := strictyaml.Index("sources", i)
		d.name("sources", i, c.Name, first)
		known := d.app.sources.Names()
		typ, ok := d.app.sources.Lookup(c.Type)
		switch {
		case c.Type == "":
			d.add(path+".type", "known: "+strings.Join(known, ", "), "is missing")
		case !ok:
			d.add(path+".type", strictyaml.DidYouMean(c.Type, known), "unknown type %q", c.Type)
		default:
			configured, problems := typ.Decode(d.block(&c.Config, path), path+".config", d.x)
			d.problems = append(d.problems, problems...)
			d.s.sources = append(d.s.sources, configuredSource{c.Name, configured})
		}
	}
}

// block returns the config block n of the element at path, with the element's
// place where the block is missing, so that problems have one.
func (d *configDecoder) block(n *yaml.Node, path string) *yaml.Node {
	if !n.IsZero() {
		return n
	}
	line, column := strictyaml.Position(d.root, path)
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: line, Column: column}
}
