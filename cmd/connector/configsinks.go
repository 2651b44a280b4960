package main

import (
	"errors"
	"math"
	"slices"
	"strings"

	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline/checkpoint"
	"auditlog-connector/sinks"
)

// sinks checks the sinks and makes the lanes.
func (d *configDecoder) sinks() {
	f := &d.s.file
	if len(f.Sinks) == 0 {
		d.add("sinks", "", "there is no sink")
	}
	var sourceNames []string
	for _, c := range f.Sources {
		sourceNames = append(sourceNames, c.Name)
	}
	first := make(map[string]int)
	fed := make(map[string]bool)
	places := make(map[string]string) // lane by exclusive place
	for i, c := range f.Sinks {
		path := strictyaml.Index("sinks", i)
		d.name("sinks", i, c.Name, first)
		if c.Name == checkpoint.SetAsideDir {
			d.add(path+".name", "entries that are set aside have the quarantine folder of that name", "%q cannot be a sink's name", c.Name)
		}
		configured := d.sinkType(c, path)
		from := d.sinkSources(c, path, sourceNames)
		for _, name := range from {
			fed[name] = true
		}
		for _, err := range c.Filter.validate() {
			d.report(prefixed(path+".filter", err))
		}
		d.redaction(c, path)
		if configured == nil {
			continue
		}
		d.limits(c, path, configured)
		for _, name := range from {
			lane := laneSettings{source: name, sink: c, configured: configured, batch: c.Batch.policy(configured.Batch())}
			d.s.lanes = append(d.s.lanes, lane)
			d.exclusive(lane, path, places)
		}
	}
	for i, name := range sourceNames {
		if name != "" && !fed[name] && len(f.Sinks) > 0 {
			d.warn(strictyaml.Index("sources", i)+".name", "", "source %q feeds no sink and is not read", name)
		}
	}
}

// prefixed returns the error about a field as one about the field below path.
func prefixed(path string, err error) error {
	var e strictyaml.FieldError
	if errors.As(err, &e) {
		e.Path = strictyaml.Join(path, e.Path)
		return e
	}
	return strictyaml.FieldError{Path: path, Err: err}
}

// sinkType decodes the sink's own block; it returns nil if the type is unknown.
func (d *configDecoder) sinkType(c sinkConfig, path string) sinks.Configured {
	known := d.app.sinks.Names()
	typ, ok := d.app.sinks.Lookup(c.Type)
	switch {
	case c.Type == "":
		d.add(path+".type", "known: "+strings.Join(known, ", "), "is missing")
		return nil
	case !ok:
		d.add(path+".type", strictyaml.DidYouMean(c.Type, known), "unknown type %q", c.Type)
		return nil
	}
	configured, problems := typ.Decode(d.block(&c.Config, path), path+".config", d.x)
	d.problems = append(d.problems, problems...)
	return configured
}

// sinkSources returns the names of the sources that feed the sink.
func (d *configDecoder) sinkSources(c sinkConfig, path string, known []string) []string {
	if c.Sources == nil {
		return known
	}
	if len(*c.Sources) == 0 {
		d.add(path+".sources", "leave it out for all", "names no source")
	}
	var from []string
	for i, name := range *c.Sources {
		at := strictyaml.Index(path+".sources", i)
		switch {
		case !slices.Contains(known, name):
			d.add(at, strictyaml.DidYouMean(name, known), "unknown source %q", name)
		case slices.Contains(from, name):
			d.add(at, "", "source %q is named twice", name)
		default:
			from = append(from, name)
		}
	}
	return from
}

// limits checks what bounds a lane.
func (d *configDecoder) limits(c sinkConfig, path string, configured sinks.Configured) {
	const most = 10_000_000 // events held in memory; more is a mistake
	b := c.Batch.policy(configured.Batch())
	if b.MaxEvents < 1 || b.MaxEvents > most {
		d.add(path+".batch.max_events", "", "%d is not between 1 and %d", b.MaxEvents, most)
	}
	if b.MaxBytes < 1 || b.MaxBytes > math.MaxInt32 {
		d.add(path+".batch.max_bytes", "", "%s is not between 1B and 2GiB", strictyaml.Size(b.MaxBytes))
	}
	if b.MaxAge <= 0 {
		d.add(path+".batch.max_age", "", "%s is not above zero", b.MaxAge)
	}
	switch n := c.buffer(); {
	case n < 1 || n > most:
		d.add(path+".buffer", "", "%d is not between 1 and %d", n, most)
	case n < b.MaxEvents:
		at := path + ".buffer"
		if c.Buffer == nil {
			at = path + ".batch.max_events"
		}
		d.warn(at, "the lane is detached, and reads again, before a batch is full", "buffer (%d) is smaller than batch.max_events (%d)", n, b.MaxEvents)
	}
}

// exclusive makes sure that no two lanes write one place.
func (d *configDecoder) exclusive(lane laneSettings, path string, places map[string]string) {
	place := lane.configured.Exclusive(lane.source)
	if place == "" {
		return
	}
	if other, ok := places[place]; ok {
		d.add(path+".config", "each lane needs a place of its own", "lanes %s and %s write one place: %s", other, lane.name(), place)
		return
	}
	places[place] = lane.name()
}
