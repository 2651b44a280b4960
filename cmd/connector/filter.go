package main

import (
	"fmt"
	"slices"
	"strings"

	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
)

// filterConfig says which events a sink gets. Its zero value lets all pass.
type filterConfig struct {
	Types       []string `yaml:"types"`        // patterns such as `api_key.*`, one of which must match; empty: any type
	Exclude     []string `yaml:"exclude"`      // patterns, none of which may match
	MinSeverity string   `yaml:"min_severity"` // info, low, medium or high; empty: info
	Projects    []string `yaml:"projects"`     // ids, one of which must be the event's; empty: any, or none
}

// severities in ascending order.
var severities = []string{"info", "low", "medium", "high"}

// validate returns what is wrong with c, by field.
func (c filterConfig) validate() []error {
	var errs []error
	for _, list := range []struct {
		key    string
		values []string
	}{{"types", c.Types}, {"exclude", c.Exclude}, {"projects", c.Projects}} {
		for i, v := range list.values {
			if v == "" {
				errs = append(errs, strictyaml.Field(strictyaml.Index(list.key, i), "is empty"))
			}
		}
	}
	for _, list := range []struct {
		key    string
		values []string
	}{{"types", c.Types}, {"exclude", c.Exclude}} {
		for i, pattern := range list.values {
			if pattern != "" && !matchesKnown(pattern) {
				e := strictyaml.Field(strictyaml.Index(list.key, i), "%q matches no event type that is known", pattern)
				e.Warning, e.Hint = true, "new types appear all the time, but so do slips"
				if s := strictyaml.Suggest(pattern, knownPatterns()); s != "" {
					e.Hint = "did you mean " + s + "?"
				}
				errs = append(errs, e)
			}
		}
	}
	if c.MinSeverity != "" && !slices.Contains(severities, c.MinSeverity) {
		errs = append(errs, strictyaml.Field("min_severity", "unknown severity %q", c.MinSeverity).
			WithHint(strictyaml.DidYouMean(c.MinSeverity, severities)))
	}
	return errs
}

// matchesKnown reports whether pattern matches a type of the catalogue.
func matchesKnown(pattern string) bool {
	if schemas.Catalogue().Lookup(pattern).Known {
		return true // by one of its names
	}
	return slices.ContainsFunc(schemas.Catalogue().Types(), func(t *schemas.EventType) bool { return match(pattern, t.Type) })
}

// knownPatterns returns the types of the catalogue and their groups, as in api_key.*.
func knownPatterns() []string {
	var patterns []string
	for _, t := range schemas.Catalogue().Types() {
		patterns = append(patterns, t.Type)
		if i := strings.LastIndexByte(t.Type, '.'); i > 0 {
			if group := t.Type[:i] + ".*"; !slices.Contains(patterns, group) {
				patterns = append(patterns, group)
			}
		}
	}
	return patterns
}

// compile returns the filter as a function, nil if everything passes. The
// function is pure and safe for concurrent use.
func (c filterConfig) compile() func(*pipeline.Event) bool {
	least := slices.Index(severities, c.MinSeverity) // -1 and 0 let all pass
	if len(c.Types) == 0 && len(c.Exclude) == 0 && len(c.Projects) == 0 && least <= 0 {
		return nil
	}
	return func(e *pipeline.Event) bool {
		a := &e.Audit
		switch {
		case len(c.Types) > 0 && !matchAny(c.Types, a.EventType):
			return false
		case matchAny(c.Exclude, a.EventType):
			return false
		case least > 0 && slices.Index(severities, a.Severity) < least:
			return false
		case len(c.Projects) > 0 && (a.Project == nil || !slices.Contains(c.Projects, a.Project.ID)):
			return false
		}
		return true
	}
}

func matchAny(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, text) })
}

// match reports whether text has the form of pattern, in which * stands for any
// run of characters and everything else for itself.
func match(pattern, text string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, first)
	if !ok {
		return false
	}
	parts := strings.Split(rest, "*")
	last := parts[len(parts)-1]
	// The leftmost place of each part leaves the most for the others.
	for _, part := range parts[:len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, last)
}

// String describes the filter in one line, empty if everything passes.
func (c filterConfig) String() string {
	var parts []string
	add := func(name string, values ...string) {
		if len(values) > 0 && values[0] != "" {
			parts = append(parts, fmt.Sprintf("%s %s", name, strings.Join(values, ", ")))
		}
	}
	add("types", c.Types...)
	add("not", c.Exclude...)
	add("severity at least", c.MinSeverity)
	add("projects", c.Projects...)
	return strings.Join(parts, "; ")
}
