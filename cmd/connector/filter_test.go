package main

import (
	"testing"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
)

func TestFilter(t *testing.T) {
	event := func(kind, severity, project string) *pipeline.Event {
		e := &pipeline.Event{Audit: schemas.AuditEvent{EventType: kind, Severity: severity}}
		if project != "" {
			e.Audit.Project = &schemas.Project{ID: project}
		}
		return e
	}
	created := event("api_key.created", "medium", "proj_a")
	for name, tt := range map[string]struct {
		filter filterConfig
		event  *pipeline.Event
		want   bool
	}{
		"type alike":                       {filterConfig{Types: []string{"api_key.*"}}, created, true},
		"one of the types":                 {filterConfig{Types: []string{"x", "api_key.created"}}, created, true},
		"another type":                     {filterConfig{Types: []string{"api_key.deleted"}}, created, false},
		"excluded":                         {filterConfig{Exclude: []string{"*.created"}}, created, false},
		"exclude goes before types":        {filterConfig{Types: []string{"*"}, Exclude: []string{"api_key.*"}}, created, false},
		"not excluded":                     {filterConfig{Exclude: []string{"login.*"}}, created, true},
		"severity as high":                 {filterConfig{MinSeverity: "medium"}, created, true},
		"severity higher":                  {filterConfig{MinSeverity: "low"}, event("x", "high", ""), true},
		"severity too low":                 {filterConfig{MinSeverity: "high"}, created, false},
		"severity not known":               {filterConfig{MinSeverity: "low"}, event("x", "", ""), false},
		"project":                          {filterConfig{Projects: []string{"proj_b", "proj_a"}}, created, true},
		"another project":                  {filterConfig{Projects: []string{"proj_b"}}, created, false},
		"no project, where one is wanted":  {filterConfig{Projects: []string{"proj_b"}}, event("x", "info", ""), false},
		"everything must hold at the same": {filterConfig{Types: []string{"*"}, MinSeverity: "info", Projects: []string{"proj_b"}}, created, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tt.filter.compile()(tt.event); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	for _, c := range []filterConfig{{}, {MinSeverity: "info"}, {Types: []string{}}} {
		if c.compile() != nil {
			t.Errorf("%+v is compiled; it lets all pass", c)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"a", "", false}, {"*", "", true}, {"*", "x.y", true},
		{"a*", "a", true}, {"a*", "abc", true}, {"a*", "ba", false}, {"*a", "ba", true}, {"*a", "ab", false},
		{"a*b", "ab", true}, {"a*b", "axxb", true}, {"a*b", "a", false}, {"a*a", "a", false}, {"a*b*c", "abbc", true},
		{"a*b*c", "acb", false}, {"*b*", "abc", true}, {"*b*", "ac", false}, {"a**b", "ab", true}, {"*.*", "tenant.role.created", true},
		{"a.c", "abc", false}, {"a?c", "abc", false}, {"a*ab*b", "aab", false}, {"*ab", "aab", true},
	} {
		if got := match(tt.pattern, tt.text); got != tt.want {
			t.Errorf("match(%q, %q) = %v, want %v", tt.pattern, tt.text, got, tt.want)
		}
	}
}
