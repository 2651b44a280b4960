package elasticsearch

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
)

// oldest are the first versions that know every type of field in the template.
var oldest = map[string][2]int{"Elasticsearch": {7, 14}, "OpenSearch": {2, 12}}

// version says what the server is, and reports whether it is one of the two.
func (c *checker) version(resp *httpclient.Response) bool {
	var info struct {
		Version struct{ Distribution, Number string }
	}
	if json.Unmarshal(resp.Body, &info) != nil || info.Version.Number == "" {
		c.add("version", fail, errNotServer.Error(), "")
		return false
	}
	product := "Elasticsearch"
	if info.Version.Distribution == "opensearch" {
		product = "OpenSearch"
	}
	c.elastic = product == "Elasticsearch"
	var have [2]int
	_, _ = fmt.Sscanf(info.Version.Number, "%d.%d", &have[0], &have[1]) // unreadable: as if old
	detail := product + " " + httpclient.Short(info.Version.Number)
	if min := oldest[product]; slices.Compare(have[:], min[:]) < 0 {
		c.add("version", warn, detail, fmt.Sprintf("the index template needs %d.%d; write a template of your own and install_template: false", min[0], min[1]))
	} else {
		c.add("version", good, detail, "")
	}
	return true
}

// templates says whether new indices get the mapping that is meant for them.
func (c *checker) templates(ctx context.Context) {
	name := c.target.templateName()
	t, err := c.template(ctx, name)
	switch {
	case err != nil && c.config.InstallTemplate:
		// The lane stops at it.
		c.add("index template", fail, "cannot be looked at: "+err.Error(), "grant manage_index_templates, or write install_template: false")
		return
	case err != nil:
		c.add("index template", warn, "cannot be looked at: "+err.Error(), "")
		return
	case t == nil && c.config.InstallTemplate:
		c.add("index template", good, name+" is not there yet; it is installed at the first start", "")
	case t == nil:
		c.add("index template", warn, name+" is not there, and install_template is false", "without one the first document decides what a field may hold; connector's mapping is in integrations/elastic")
	case t.Meta.ManagedBy != manager:
		c.add("index template", warn, name+" is somebody else's and stays as it is", "delete it, or write install_template: false")
	case t.Version < templateVersion:
		c.add("index template", good, fmt.Sprintf("%s has version %d; version %d is installed at the next start", name, t.Version, templateVersion), "")
	default:
		c.add("index template", good, fmt.Sprintf("%s, version %d", name, t.Version), "")
	}
	c.overlaps(ctx, name)
}

// overlaps looks for templates that would win over ours.
func (c *checker) overlaps(ctx context.Context, name string) {
	var answer struct {
		Templates []struct {
			Name     string `json:"name"`
			Template struct {
				Patterns []string `json:"index_patterns"`
				Priority int      `json:"priority"`
			} `json:"index_template"`
		} `json:"index_templates"`
	}
	if found, err := c.askJSON(ctx, call{method: http.MethodGet, path: "/_index_template"}, &answer); err != nil || !found {
		return // said above
	}
	index := c.target.index(c.now())
	for _, t := range answer.Templates {
		matches := slices.ContainsFunc(t.Template.Patterns, func(p string) bool { return glob(p, index) })
		if t.Name != name && matches && t.Template.Priority >= templatePriority {
			c.add("template conflict", warn, fmt.Sprintf("template %s has priority %d and decides over %s", httpclient.Short(t.Name), t.Template.Priority, index),
				fmt.Sprintf("give it a priority below %d, or write install_template: false", templatePriority))
		}
	}
}

// glob reports whether name matches a pattern whose stars stand for any text.
func glob(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	for _, p := range parts[1 : len(parts)-1] {
		at := strings.Index(rest, p)
		if at < 0 {
			return false
		}
		rest = rest[at+len(p):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// durability says whether an answer means that a document is on disk.
func (c *checker) durability(ctx context.Context) {
	const name = "durability"
	var answer map[string]struct {
		Settings map[string]string
		Defaults map[string]string
	}
	path := "/" + c.target.pattern() + "/_settings/index.translog.durability?flat_settings=true&allow_no_indices=true&ignore_unavailable=true"
	found, err := c.askJSON(ctx, call{method: http.MethodGet, path: path}, &answer)
	if err != nil {
		c.add(name, warn, "index.translog.durability cannot be looked at: "+err.Error(), "grant view_index_metadata to see it")
		return
	}
	var async []string
	for index, s := range answer {
		if v := s.Settings["index.translog.durability"]; v != "" && v != "request" {
			async = append(async, httpclient.Short(index))
		}
	}
	slices.Sort(async)
	switch {
	case len(async) > 0:
		c.add(name, warn, fmt.Sprintf("index.translog.durability is async in %d indices, the first %s: what is answered for is lost if a node dies", len(async), async[0]),
			`set it to "request" (in the template too)`)
	case !found || len(answer) == 0:
		c.add(name, good, "no index yet, or none that departs from the default", "")
	default:
		c.add(name, good, "an answer means that documents are on disk", "")
	}
}

// stream says whether what is in doubt can be looked up.
func (c *checker) stream(ctx context.Context) {
	indices, err := c.backing(ctx)
	if err != nil {
		c.add("data stream", fail, "cannot be looked at: "+err.Error(), "grant view_index_metadata and read on "+c.target.stream)
		return
	}
	if len(indices) == 0 {
		c.add("data stream", good, c.target.stream+" is not there yet; the first document makes it", "")
		return
	}
	// An id that no event has.
	nobody := newProgress("", &pipeline.Manifest{Members: []pipeline.Position{{}}})
	if _, err := c.which(ctx, nobody, indices[len(indices)-1], []int{0}); err != nil {
		c.add("data stream", fail, "ids cannot be looked up: "+err.Error(), "grant read on "+c.target.stream)
		return
	}
	c.add("data stream", good, fmt.Sprintf("%s, %d backing indices", c.target.stream, len(indices)), "")
}
